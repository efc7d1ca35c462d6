// MODEL on the command line: a built-in name, a spec file, a Hugging Face config.json or its
// folder, a checkpoint with a config.json beside it, or "-" for JSON on standard input.
#pragma once

#include "models/architecture.h"

#include <string>
#include <vector>

namespace vitals {

[[nodiscard]] Model load_model(const std::string& argument);

// The files that an argument of this kind is read from, and those of a checkpoint that stand
// together; none for a built-in name and standard input.
[[nodiscard]] std::vector<std::string> files_of_model(const std::string& argument);

}  // namespace vitals
