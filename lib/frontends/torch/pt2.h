// The .pt2 archives of torch.export: a zip archive with the graph as JSON (schema versions 5 to 8).
// Its operators, shapes and nn_module_stack become a recorded call; weights are not read.
#pragma once

#include "frontends/torch/trace_file.h"
#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// A zip archive that holds an exported program, whatever the file's name.
[[nodiscard]] bool is_pt2(const std::string& path);

// Throws Error "<path>: ..." with the place in the archive.
[[nodiscard]] Model model_from_pt2(const std::string& path, const std::string& fallback_name);

namespace torch {

// The exported program of the JSON. `notes` gets what was taken as an example: symbolic sizes.
[[nodiscard]] TraceFile trace_from_exported(const nlohmann::json& program,
                                            std::vector<std::string>& notes);

}  // namespace torch
}  // namespace vitals
