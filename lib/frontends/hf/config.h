// Hugging Face config.json -> Model: which family (model_type, else the class), which head (the
// class), and the family's fields as one of our specs. Every shape follows from the config; what
// cannot be described is an error, what is not known is told.
#pragma once

#include "frontends/hf/families.h"
#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// An object with model_type or architectures.
[[nodiscard]] bool is_hf_config(const nlohmann::json& config);

// `source` names the config in messages; `preprocessor` is the preprocessor_config.json beside it,
// which states the image size where the config does not, or null.
[[nodiscard]] Model model_from_hf_config(const nlohmann::json& config, const std::string& source,
                                         const std::string& fallback_name,
                                         const nlohmann::json& preprocessor);

// A spec, a Hugging Face config or timm's config, whichever the object is.
[[nodiscard]] Model model_from_json(const nlohmann::json& description, const std::string& source,
                                    const std::string& fallback_name);
[[nodiscard]] Model model_from_json(const nlohmann::json& description, const std::string& source,
                                    const std::string& fallback_name,
                                    const nlohmann::json& preprocessor);

// The fields of `config` as our spec, with what the user should know under "notes", "left_out" and
// "by_default" (lists, see Model), which are no fields of a spec; for rules that describe a part of
// a composite config, whose family is given. `path` is where the part stands: "/text_config".
// Throws Error "/field: ...".
[[nodiscard]] nlohmann::ordered_json hf_spec(const nlohmann::json& config, const HfFamily& family,
                                             const std::string& head, const std::string& path);

}  // namespace vitals
