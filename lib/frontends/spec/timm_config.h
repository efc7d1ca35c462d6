// The config.json that timm writes beside its weights on the hub: the name of one of its models,
// and what the weights change of it. Knows the built-in models by name.
#pragma once

#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// An object whose architecture is the name of a model, with its pretrained_cfg.
[[nodiscard]] bool is_timm_config(const nlohmann::json& config);

[[nodiscard]] Model model_from_timm_config(const nlohmann::json& config, const std::string& source,
                                           const std::string& fallback_name);

}  // namespace vitals
