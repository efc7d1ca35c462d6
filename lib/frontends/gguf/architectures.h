// The rows of specs/gguf.json, embedded when vitals is built: how the metadata of one of
// llama.cpp's architectures becomes the config of a Hugging Face family, and under which names its
// tensors are stored.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// One row with all that it takes over from "*" and from the one that it is `like`. Its entries:
//   model_type (a name, or an expression as in hf/derive.h), class (where the head is not the
//   family's default), required (keys that must be there), config (field of the Hugging Face config
//   -> expression over the metadata, without the architecture's prefix, and "tensors.NAME", a list
//   of dimensions; fields that the family does not have are passed over; null: not stated),
//   nullable (fields that are stated as null where the expression is null), keys (parameter of the
//   trace -> tensors, or a list of alternatives), left_out (tensors that are no parameters).
using GgufArchitecture = nlohmann::json;

// Null when there is none.
[[nodiscard]] const GgufArchitecture* find_gguf_architecture(std::string_view name);
[[nodiscard]] std::vector<std::string> gguf_architecture_names();

}  // namespace vitals
