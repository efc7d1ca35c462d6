// The options that describe a run, as every command takes them: one for each field of a recipe.
#pragma once

#include "command_line.h"
#include "frontends/devices/device_file.h"
#include "memory/recipe.h"
#include "models/architecture.h"

namespace vitals::cli {

void add_recipe_options(Command& command, Recipe& recipe);

// What inference runs in where nothing is asked for: the type that the description states; else
// 16 bits for text, and for images fp32, or autocast on a GPU that is named, as its measured tables
// have it. A CPU runs fp32.
[[nodiscard]] std::string inference_precision(const Model& model, const DeviceSpec* on);

// The precision of a recipe: the one that it states; else autocast in training and where its types
// are stated, and that of inference.
[[nodiscard]] std::string precision_of(const Recipe& recipe, const Model& model,
                                       const DeviceSpec* on);

// Options that were given and change nothing because nothing is trained.
[[nodiscard]] std::vector<std::string> unused_in_inference(const Given& given);

}  // namespace vitals::cli
