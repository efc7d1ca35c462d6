// `vitals report`: one self-contained HTML page about one model or several. The figures are the
// JSON of the other commands, embedded as they are; page/page.js draws them. Fetches nothing.
#pragma once

#include "frontends/devices/device_file.h"
#include "report/flops.h"
#include "report/memory.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitals {

struct PageModel {
  const FlopsModel& flops;       // of one sample
  const MemoryAnswer& training;  // of one step
  const MemoryAnswer& inference;
  const nlohmann::ordered_json& spec;
  // A measurement of a forward pass: its heading, its table of ops and its JSON, or nothing.
  struct Measured {
    std::string heading;
    Table ops;
    const nlohmann::ordered_json& json;
  };
  const Measured* measured = nullptr;
};

struct PageOptions {
  const DeviceSpec& device;  // whose roof the ops stand under
  std::string version;
};

[[nodiscard]] std::string report_page(const std::vector<PageModel>& models,
                                      const PageOptions& options);

}  // namespace vitals
