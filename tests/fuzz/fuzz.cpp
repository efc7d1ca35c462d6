#include "fuzz/fuzz.h"

#include "core/text.h"
#include "cost/macs.h"
#include "cost/rollup.h"
#include "frontends/hf/config.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "frontends/torch/model.h"
#include "frontends/torch/trace_file.h"
#include "report/summary.h"
#include "support/sums.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>

namespace vitals::fuzz {
namespace {

// The model's size is not what is tried here.
constexpr std::size_t kMaxOps = 2'000;

void check_spec(const Model& model) {
  const auto spec = spec_of(model);
  const auto text = spec.dump();
  const auto json = parse_json(text, "its own spec");
  const auto again = torch::is_trace(json) ? model_from_trace_json(json, "its own spec")
                                           : model_from_json(json, "its own spec", "");
  require(spec_of(again).dump() == text, "a model's spec describes the same model");
}

void check_sums(const Graph& graph) {
  Count params;
  for (const auto& p : graph.params)
    if (!p.buffer) params += numel(p);
  require(parameters(graph).sum() == params, "parameters sum to the model's");
  Count all_macs;
  for (const auto& node : graph.nodes) all_macs += macs(graph, node);
  const auto by_module = macs_by_module(graph);
  require(by_module.sum() == all_macs, "MACs sum to the model's");
  require(!test::unbalanced(graph, by_module), "a module's MACs are its own and its children's");
}

}  // namespace

void require(bool holds, const char* statement) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", statement);
  std::abort();
}

void accept_or_refuse(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    require(!message.empty(), "a refusal says why");
    require(printable(message) == message, "a message has no control characters");
  }
}

void check_model(const Model& model) {
  check_spec(model);
  BuildOptions options;
  options.max_ops = kMaxOps;
  const auto graph = model.build(options);
  check_sums(graph);
  require(!summary_json(graph).dump().empty(), "a summary can be written");
}

}  // namespace vitals::fuzz
