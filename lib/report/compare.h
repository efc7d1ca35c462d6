// `vitals compare`: models side by side, with differences to the first, and module by module where
// their trees agree.
#pragma once

#include "graph/graph.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitals {

struct Comparison {
  // How people read it: sizes are exact numbers, counts and bytes large ones.
  enum class Kind : std::uint8_t { size, count, bytes };
  struct Quantity {
    std::string name;   // "params"
    std::string title;  // "parameters"
    Kind kind = Kind::count;
    std::vector<std::optional<Count>> values = {};  // one a model; none where it cannot be told
  };
  // A module that all models have under this path, with the same type.
  struct SharedModule {
    std::string path;
    std::string type;
    std::vector<Count> params;  // the whole below it, one a model
    std::vector<Count> macs;
  };
  std::vector<std::string> models;
  std::vector<Quantity> quantities;
  std::vector<std::optional<bool>> fits;  // one a model, where a device was asked for
  std::vector<SharedModule> modules;      // down to the asked level, in the first model's order
};

// `level`: how deep modules are compared; 1: the model's children.
[[nodiscard]] Comparison compare(const std::vector<Graph>& graphs, std::size_t level);

// A step on a device: its time, and whether the device can hold it; none where it cannot be told.
struct StepOnDevice {
  std::optional<double> seconds;
  std::optional<bool> fits;
  std::optional<Count> memory = {};  // bytes
};
// Adds what the models need on a device: bytes, the predicted time of a step in whole microseconds,
// and whether it fits.
void add_latency(Comparison& comparison, const std::string& device,
                 const std::vector<StepOnDevice>& steps);

// Quantities in rows, models in columns: sizes first, then counts. Each value but the first model's
// has its ratio to that beside it.
[[nodiscard]] Table quantities_table(const Comparison& comparison);
// The same for modules: parameters and MACs.
[[nodiscard]] Table modules_table(const Comparison& comparison);
// Raw numbers, one row a quantity or module and model.
[[nodiscard]] Table flat_table(const Comparison& comparison);
[[nodiscard]] nlohmann::ordered_json to_json(const Comparison& comparison);

}  // namespace vitals
