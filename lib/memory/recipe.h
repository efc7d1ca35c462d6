// A run as it is asked for: precision, optimizer, loss, adapters, stored weights, checkpoints and
// layout. One table states each field once, with its choices and its meaning; command lines and
// JSON fill a recipe through it. Knows no file and no device.
#pragma once

#include "graph/adapters.h"
#include "graph/builder.h"
#include "memory/estimate.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vitals {

// Fields hold the words of the table; an empty word is the default, which the stack or another
// field decides.
struct Recipe {
  std::string mode = "training";
  std::string stack = "pytorch-1.13";
  std::string precision;  // empty: amp; of inference, what the model is loaded in
  std::string amp_dtype;
  std::string weights;
  std::string optimizer = "adamw";
  std::string optimizer_impl;
  std::string attention = "fused";
  std::string loss;
  std::string transformers;
  std::string checkpoint = "none";
  std::vector<std::string> offload;
  bool fused_norm = false;
  bool keep_gradients = false;
  std::uint64_t accumulate = 1;
  std::vector<std::string> freeze;
  std::vector<std::string> train;
  std::optional<std::uint64_t> lora_rank;
  std::vector<std::string> lora_targets;
  double lora_dropout = 0;
  std::string adapter_dtype;
  bool fused_lora = false;
  std::string quantize;
  std::string kbit_norms;
  std::optional<std::uint64_t> new_tokens;
  std::string latent_cache = "expanded";
  std::string logits = "all";
  std::string kv_dtype;
  // Of llama.cpp.
  std::optional<std::uint64_t> gpu_layers;
  std::vector<std::string> override_tensors;
  std::uint64_t ubatch = 512;
  Parallelism parallel;

  [[nodiscard]] bool training() const { return mode == "training"; }
};

// One field of a recipe: its word on a command line and in JSON, what it takes, and what it means.
struct RecipeField {
  using Member =
      std::variant<std::function<std::string&(Recipe&)>, std::function<bool&(Recipe&)>,
                   std::function<std::uint64_t&(Recipe&)>, std::function<unsigned&(Recipe&)>,
                   std::function<std::optional<std::uint64_t>&(Recipe&)>,
                   std::function<double&(Recipe&)>,
                   std::function<std::vector<std::string>&(Recipe&)>>;
  std::string name;   // "optimizer-impl"
  std::string group;  // the heading that help lists it under
  Member member;
  std::string doc;
  std::vector<std::string> choices = {};
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::string value = {};  // what a text is called: PATH
  bool list = false;       // one value is a list with commas
  std::string needs = {};  // another field that must be given with it
  bool training_only = false;
};
[[nodiscard]] const std::vector<RecipeField>& recipe_fields();

// What does not go together, in a sentence that says what is possible; empty: nothing is wrong.
// Names stand as in the table, with two dashes before them.
[[nodiscard]] std::string recipe_fault(const Recipe& recipe);

// How the trace is built, and what is trained of it: freezes, adapters, types of parameters.
void apply(const Recipe& recipe, BuildOptions& build);
[[nodiscard]] Graph prepared(Graph graph, const Recipe& recipe);

// The estimate's options. `graph` must be prepared: weights are stored as the recipe says.
[[nodiscard]] MemoryOptions memory_options(const Recipe& recipe, eager::Device device);
void add_stored_weights(const Recipe& recipe, const Graph& graph, MemoryOptions& options);

}  // namespace vitals
