// What measurements tell about devices: published ones in specs/calibration.json, written by
// tools/calibrate and embedded in the program; a user's own in device files, written by `vitals
// bench --save-device`. A calibration holds for a device and a way to run on it. Knows no model.
#pragma once

#include "latency/device.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitals {

// 80 % of what is measured lies between these multiples of the predicted samples per second.
struct ThroughputRange {
  double low = 1;
  double high = 1;
};

struct Calibration {
  std::string run;     // its name: "infer-amp-nchw-pt240-cu124-rtx3090"
  std::string device;  // "rtx4090"; a family of machine.h for what its devices have in common
  bool training = false;
  bool compiled = false;
  std::string precision;  // "amp", "fp32", ...
  std::string pytorch;    // "2.9.1"; empty where vitals ran the models itself
  std::string vitals;     // "0.1.0", where it did
  bool channels_last = false;
  bool fused_attention = true;
  // Whose norms ran in the low type under autocast: architectures ("vit"), or "rms_norm" for all
  // RMS norms.
  std::vector<std::string> low_norms;
  std::pair<std::uint64_t, std::uint64_t> batches{0, 0};
  Factors factors;
  std::vector<Neighbour> neighbours;  // the models that were fitted

  [[nodiscard]] bool own_kernels() const { return !vitals.empty(); }

  // Errors of the predicted samples per second, in percent of the measured ones, on models that the
  // fit did not see.
  struct Errors {
    std::size_t fitted_models = 0;
    std::size_t models = 0;
    double median = 0;
    double p90 = 0;
    double flops_only = 0;  // median of FLOPs alone with the one best efficiency
  } errors;
  ThroughputRange range;       // of unseen models far from all neighbours
  ThroughputRange near_range;  // of those among them
};

[[nodiscard]] const std::vector<Calibration>& calibrations();

// A Calibration from and to JSON; `at` is its place in messages. Throws Error.
[[nodiscard]] Calibration calibration_from(const nlohmann::json& value, const std::string& at);
[[nodiscard]] nlohmann::ordered_json to_json(const Calibration& calibration);

// A number that a model's name always gives (FNV-1a), so that the split is fixed for good.
[[nodiscard]] std::uint64_t model_hash(std::string_view model);
// A third of all models: no fit sees them, so that errors on them mean something.
[[nodiscard]] inline bool held_out(std::string_view model) { return model_hash(model) % 3 == 0; }

// How a prediction is asked for. Empty strings: the newest that is known.
struct RunQuestion {
  std::string device;
  std::string family = "gpu";  // see family_of
  bool training = false;
  bool compiled = false;
  std::string precision;
  std::string pytorch;  // "2.4", or longer
  bool channels_last = false;
  std::uint64_t batch = 1;
  bool images = true;  // the model reads images, as all measured ones do
};

// The calibration that fits best: the device's own for this very way to run, else its own for
// another way, else what devices of its family have in common. Not `exact` where anything differs
// from what was measured; the range is then that of devices without measurements.
struct Match {
  const Calibration* calibration = nullptr;
  bool exact = false;
  ThroughputRange range;  // to expect, see Calibration
  ThroughputRange near_range;
  bool own_kernels = false;        // the question is about vitals' own kernels, see Calibration
  std::vector<std::string> notes;  // what differs from what was measured
};
// "2.4" is the version of "2.4.0", not of "2.40".
[[nodiscard]] bool is_version(const std::string& full, const std::string& asked);

[[nodiscard]] Match match(const std::vector<Calibration>& known, const RunQuestion& question);

// Between the two, `confidence` (0 to 1) of the way to `near`, by their logarithms.
[[nodiscard]] ThroughputRange between(const ThroughputRange& far, const ThroughputRange& near,
                                      double confidence);

}  // namespace vitals
