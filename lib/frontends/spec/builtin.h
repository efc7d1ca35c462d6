// The built-in models: specs/*.json, embedded at build time. Only the entries that are asked for
// are parsed.
#pragma once

#include "models/architecture.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// All names, sorted.
[[nodiscard]] const std::vector<std::string>& builtin_names();

// The name as it is listed: "vit_base_patch32", "ViT-B/32" and "google/vit-base-patch32-224" mean
// "vit_base_patch32_224". Empty when unknown.
[[nodiscard]] std::string builtin_canonical(std::string_view name);

// Throws Error "<origin>: unknown model 'x'; did you mean ..." for an unknown name.
[[nodiscard]] Model builtin_model(std::string_view name, const std::string& origin);

}  // namespace vitals
