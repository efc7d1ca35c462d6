// Specs: JSON objects that describe a model ({"architecture": "vit", "embed_dim": 768, ...} or
// {"base": "vit_base_patch16_224", ...}), from and to a Model. Every key is a field of the
// architecture, an alias of one, or an error.
#pragma once

#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitals {

// A field set from outside the spec: --set depth=24, --num-classes 5. Value is JSON, or a string.
struct Override {
  std::string key;  // dotted keys reach inside: "norm_layer.eps"
  std::string value;
  std::string origin;  // what the user typed, for messages: "--num-classes"
};

// `source` names the text in messages; `fallback_name` is the model's name when it has none.
[[nodiscard]] Model model_from_spec(const nlohmann::json& spec, const std::string& source,
                                    const std::string& fallback_name);

// The same model with fields changed; checked again as a whole.
[[nodiscard]] Model with_overrides(const Model& model, const std::vector<Override>& overrides);

// Everything that the model really is: name, architecture, all fields in their stated order.
[[nodiscard]] nlohmann::ordered_json spec_of(const Model& model);

// The JSON schema (draft 7) of specs, for one architecture or for all of them.
[[nodiscard]] nlohmann::ordered_json spec_schema();

}  // namespace vitals
