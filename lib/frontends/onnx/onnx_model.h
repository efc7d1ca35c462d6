// An ONNX file as a model: its steps are the trace. Dimensions that the file leaves open are fields
// ("dims", "img_size"), batch and tokens are options of every build.
#pragma once

#include "models/architecture.h"

#include <string>

namespace vitals {

// By its name, or by its first bytes.
[[nodiscard]] bool is_onnx_file(const std::string& path);

// Reads the structure; values of weights are not loaded, and files of external data need not be
// there. Throws Error that names the file and the place.
[[nodiscard]] Model model_from_onnx(const std::string& path, const std::string& name);

}  // namespace vitals
