// PEFT's adapter_config.json: a base model and the low-rank adapters beside its layers. Fields as
// peft/tuners/lora/config.py (LoraConfig) has them; what would give other parameters and is not
// supported is refused.
#pragma once

#include "graph/adapters.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

inline constexpr const char* kAdapterFile = "adapter_config.json";

// An object with peft_type.
[[nodiscard]] bool is_adapter_config(const nlohmann::json& description);

// Throws Error "SOURCE: /field: ...".
[[nodiscard]] Lora lora_of(const nlohmann::json& config, const std::string& source);

}  // namespace vitals
