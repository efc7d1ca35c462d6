// The options that describe a run, as every command takes them: one for each field of a recipe.
#pragma once

#include "command_line.h"
#include "memory/recipe.h"

namespace vitals::cli {

void add_recipe_options(Command& command, Recipe& recipe);

// Options that were given and change nothing because nothing is trained.
[[nodiscard]] std::vector<std::string> unused_in_inference(const Given& given);

}  // namespace vitals::cli
