// Reads an ONNX file: the message's structure, and the values of single small tensors. Must not
// know what an op means.
#pragma once

#include "frontends/onnx/model.h"

#include <optional>
#include <string>
#include <string_view>

namespace vitals::onnx {

// Whether a file that begins with these bytes is a ModelProto with a graph: field by field, as far
// as they reach.
[[nodiscard]] bool looks_like_onnx(std::string_view first_bytes);

// The model in `bytes`, into which it keeps views. Throws Error "byte N: ..." or with the name of
// the part that is wrong; `source` begins the messages.
[[nodiscard]] Model read_model(std::string_view bytes, const std::string& source);

// The same of a file, which is mapped: values of tensors are not loaded.
[[nodiscard]] Model read_model_file(const std::string& path);

// The values of a tensor of at most `most` elements whose values are inside the file; nothing for a
// larger one, for external data and for types that are no numbers. Throws Error where the values
// do not fit the dimensions.
[[nodiscard]] std::optional<Numbers> values_of(const Model& model, const Tensor& tensor,
                                               std::size_t most);

}  // namespace vitals::onnx
