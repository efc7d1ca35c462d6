// MODEL on the command line: a built-in name, a spec file, a Hugging Face config.json or its
// folder, a checkpoint with a config.json beside it, or "-" for JSON on standard input.
#pragma once

#include "models/architecture.h"

#include <string>
#include <vector>

namespace vitals {

// `as`: the model_type to read a Hugging Face config as, in place of its own; empty: its own.
[[nodiscard]] Model load_model(const std::string& argument, const std::string& as = "");

// The files that are read for an argument of this kind; none for a built-in name and standard
// input. Some of them need not exist.
[[nodiscard]] std::vector<std::string> files_of_model(const std::string& argument);

}  // namespace vitals
