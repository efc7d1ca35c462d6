// `vitals predict` and `vitals devices`: tables and JSON. Formatting only.
#pragma once

#include "frontends/devices/calibration.h"
#include "latency/predict.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vitals {

// Everything that a prediction says about one batch.
struct LatencyAnswer {
  Graph graph;
  std::string device;  // "rtx4090"
  std::string device_title;
  std::uint64_t batch = 1;
  std::string precision;
  bool training = false;
  bool compiled = false;
  bool fused_attention = true;
  double peak = 0;  // FLOP/s
  latency::Prediction prediction;
  // Multiples of the predicted throughput between which 80 % of published cases lie.
  ThroughputRange range;
  bool calibrated = false;   // measurements of this device, run in this way, stand behind it
  std::string run;           // the published run behind the factors
  bool own_kernels = false;  // vitals runs the model itself, as `vitals bench` does
  std::string pytorch;       // whose kernels the factors are those of; empty: vitals' own
  std::string vitals;
  double median_error = 0;  // percent, on models that the fit did not see
  double p90_error = 0;
  std::vector<std::string> notes;
  struct Memory {
    Count peak;                   // live
    Count need = {};              // what PyTorch's allocator needs for it, where that is modelled
    std::optional<Count> usable;  // none where the device states no memory
  };
  std::optional<Memory> memory;  // where it was asked for

  [[nodiscard]] double samples_per_s() const {
    return static_cast<double>(batch) / prediction.seconds();
  }
  [[nodiscard]] double share_of_peak() const {
    return prediction.flops / prediction.seconds() / peak;
  }
  // Nothing where it is not known.
  [[nodiscard]] std::optional<bool> fits() const {
    if (!memory || !memory->usable) return std::nullopt;
    return memory->need <= *memory->usable;
  }
};

// One batch: figures, then time by module.
[[nodiscard]] std::string latency_headline(const LatencyAnswer& answer);
[[nodiscard]] Table latency_figures(const LatencyAnswer& answer, bool all);
[[nodiscard]] Table latency_modules(const LatencyAnswer& answer, const TreeOptions& options);
// Several batches, one a row.
[[nodiscard]] Table latency_sweep(const std::vector<LatencyAnswer>& answers);
// Raw numbers, one batch a row.
[[nodiscard]] Table latency_numbers(const std::vector<LatencyAnswer>& answers);
[[nodiscard]] nlohmann::ordered_json latency_json(const std::vector<LatencyAnswer>& answers);

// A device as a row of `vitals devices`.
struct DeviceRow {
  std::string name;
  std::string title;
  std::optional<Count> memory;
  std::optional<Count> usable;  // of it, what a step may take
  Machine machine;
  std::vector<std::string> calibrated;  // ways to run with published measurements
  std::string source;
};
[[nodiscard]] Table device_table(const std::vector<DeviceRow>& devices);
[[nodiscard]] Table device_numbers(const std::vector<DeviceRow>& devices);
[[nodiscard]] nlohmann::ordered_json devices_json(const std::vector<DeviceRow>& devices);

}  // namespace vitals
