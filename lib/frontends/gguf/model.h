// A GGUF file as a model: its metadata as the config of a Hugging Face family, by a table with a
// row for each of llama.cpp's architectures (specs/gguf.json), and its tensors as the parameters of
// that model. Knows no architecture by itself.
#pragma once

#include "frontends/gguf/gguf.h"
#include "models/architecture.h"

#include <string>
#include <vector>

namespace vitals {

// general.architecture; empty when the file states none.
[[nodiscard]] std::string gguf_architecture(const GgufFile& gguf);
// Those that the table has, sorted.
[[nodiscard]] std::vector<std::string> gguf_architectures();
[[nodiscard]] bool knows_gguf_architecture(const GgufFile& gguf);

// The model with what the file stores of each parameter. Throws Error for an architecture that the
// table does not have, for a key that is missing or wrong, and for tensors that do not fit.
[[nodiscard]] Model model_from_gguf(const GgufFile& gguf, const std::string& fallback_name);

// The Hugging Face config that the metadata amounts to. Throws as above.
[[nodiscard]] nlohmann::json gguf_config(const GgufFile& gguf);

}  // namespace vitals
