// The families of models that Hugging Face configs describe, by model_type: what each field of the
// config is called in our specs, the library's defaults, the heads. Data from
// specs/hf_families.json, embedded at build time; what is no plain copy is a rule (hf_rules.h).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// One family with all that it takes over from the one that it is `like`. Its entries:
//   name, model_types (others with the same fields), classes (prefixes of its class names),
//   architecture (ours), defaults (of absent fields), aliases (other names of a field),
//   fields (name -> name in our spec, or several, dots reach inside), spec (what is fixed),
//   heads (rest of the class name -> part of the spec), default_head, only (field -> the values
//   that are supported), positive (fields that must not be 0), ignored (fields without an effect),
//   derive (field of our spec -> expression, see derive.h), part (the family describes its text
//   part alone), says (a note and the expression that calls for it), sizes (names that mean the
//   same size), rules, and arguments of rules.
using HfFamily = nlohmann::json;

// An entry of a family; null, which iterates like an empty one, when it has none.
[[nodiscard]] const nlohmann::json& entry_of(const HfFamily& family, const char* key);

// Null when there is none.
[[nodiscard]] const HfFamily* find_hf_family(std::string_view model_type);

struct HfClass {
  const HfFamily* family = nullptr;
  std::string head;  // "ForCausalLM"
};
// The family and head that a class name stands for; family null when none fits.
[[nodiscard]] HfClass find_hf_class(std::string_view class_name);

[[nodiscard]] std::vector<std::string> hf_model_types();

}  // namespace vitals
