// The file of `vitals sweep`: one object with "base", "grid", "options" and "figures". What its
// fields and options may hold, the caller checks, who knows models.
#pragma once

#include "sweep/sweep.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <vector>

namespace vitals {

// Where the values of a document stand, so that a fault found late is still found in the file.
struct SweepPlaces {
  // "grid.yaml: line 3, column 5: /grid/depth" for a JSON pointer.
  std::function<std::string(const std::string& pointer)> at;
};

struct SweepFile {
  Sweep sweep;
  std::vector<std::string> bases;  // as JSON: a name or a spec, one a model
};
// Throws Error that names the place.
[[nodiscard]] SweepFile sweep_from(const nlohmann::ordered_json& document,
                                   const SweepPlaces& places);

}  // namespace vitals
