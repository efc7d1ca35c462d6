// A recorded forward call as a model: it has the sizes that it was recorded with, and no fields.
#pragma once

#include "frontends/torch/trace_file.h"
#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// From the JSON form of a trace. Throws Error "<source>: /place: ...".
[[nodiscard]] Model model_from_trace_json(const nlohmann::json& json, const std::string& source);
// From a trace that another front end has made. `vitals spec` prints it in its own format.
[[nodiscard]] Model model_from_trace(const torch::TraceFile& trace, const std::string& source);

}  // namespace vitals
