// The table that tools/embed_specs.py writes from specs/*.json at build time.
#pragma once

#include <span>
#include <string_view>

namespace vitals {

struct BuiltinSpec {
  std::string_view name;
  std::string_view json;
};

// Sorted by name.
[[nodiscard]] std::span<const BuiltinSpec> builtin_specs();

// The families of Hugging Face configs, from specs/hf_families.json, by model_type.
[[nodiscard]] std::span<const BuiltinSpec> hf_family_texts();

// The architectures of GGUF files, from specs/gguf.json, by general.architecture.
[[nodiscard]] std::span<const BuiltinSpec> gguf_architecture_texts();

}  // namespace vitals
