// MODEL on the command line: a built-in name, a spec file, a Hugging Face config.json or its
// folder, a checkpoint with a config.json beside it, or "-" for JSON on standard input.
#pragma once

#include "models/architecture.h"

#include <string>

namespace vitals {

[[nodiscard]] Model load_model(const std::string& argument);

}  // namespace vitals
