// The image encoder of a config of several parts: which rows of specs/hf_composites.json describe
// it and the projector behind it, as the entry "vision" of the whole's family says. Knows no
// family.
#pragma once

#include "frontends/hf/families.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// Whether the family states how its vision_config is read, and knows the type of it.
[[nodiscard]] bool describes_vision(const nlohmann::json& config, const HfFamily& family);

// Makes the spec of a decoder that of a vision_language model. Throws Error "/vision_config/...".
void add_vision(const nlohmann::json& config, const HfFamily& family, const std::string& path,
                nlohmann::ordered_json& spec);

}  // namespace vitals
