// Models as tests write them: a spec or a Hugging Face config as JSON.
#pragma once

#include "frontends/hf/config.h"
#include "models/architecture.h"
#include "support/json.h"

#include <algorithm>
#include <variant>

namespace vitals::test {

[[nodiscard]] inline Model model(const nlohmann::json& description) {
  return model_from_json(description, "config.json", "test");
}

[[nodiscard]] inline Graph trace(const nlohmann::json& description,
                                 const BuildOptions& options = {}) {
  return model(description).build(options);
}

// How many nodes of a trace are ops of one kind.
template <class Op>
[[nodiscard]] std::size_t number_of(const Graph& graph) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [](const Node& n) { return std::holds_alternative<Op>(n.op); }));
}

}  // namespace vitals::test
