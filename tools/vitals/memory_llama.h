// `vitals memory` where llama.cpp runs the model: a GGUF file, or --stack llama.cpp. No arithmetic
// here.
#pragma once

#include "command.h"
#include "memory/recipe.h"
#include "memory_device.h"

#include <string>
#include <vector>

namespace vitals::cli {

struct LlamaQuestion {
  const ModelOptions& model;
  const OutputOptions& output;
  const Recipe& recipe;
  const MemoryDevice& place;  // resolved
  bool all_layers = false;    // on the page
};

[[nodiscard]] bool runs_llama_cpp(const Recipe& recipe);

// Options of the command that llama.cpp has no part for, among those that were given.
[[nodiscard]] std::vector<std::string> unused_by_llama_cpp(const Given& given);

// Writes the answer; checks the conditions on its figures.
void llama_memory(const LlamaQuestion& question, const std::vector<FailCondition>& conditions);

}  // namespace vitals::cli
