#include "conventions/torchinfo.h"

#include "cost/rollup.h"
#include "cost/sizes.h"

#include <algorithm>

namespace vitals {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What one parameter counts in a call that puts out `out`.
Formula count(const Module& module, const Param& param, const Shape& out,
              TorchinfoVersion version) {
  const bool weight = contains(param.name, "weight");
  if (!weight && !contains(param.name, "bias")) return {};
  const Formula::Factor size{weight ? "weight" : "bias", elements_of(param.shape)};
  if (param.name != "weight" && param.name != "bias")
    return {size, {"batch x length", leading(out, std::min<std::size_t>(out.rank(), 2))}};
  if (contains(module.type, "Conv") && out.rank() >= 2)
    return {size, {"positions", positions_of(out)}};
  const bool by_row = version == TorchinfoVersion::main && contains(module.type, "Linear");
  if (by_row && out.rank() >= 1) return {size, {"rows", rows_of(out)}};
  return {size, {"batch", out.empty() ? 1 : out[0]}};
}

// Calls of modules without children, with the shape that they put out.
template <class F>
void each_leaf_call(const Graph& graph, F&& visit) {
  std::vector<bool> has_children(graph.modules.size());
  for (const auto& module : graph.modules)
    if (module.parent != kNone) has_children[module.parent] = true;
  for (const auto& call : graph.calls)
    if (!has_children[call.module] && !call.outputs.empty())
      visit(call, graph.modules[call.module], graph.nodes[call.outputs[0]].shape);
}

}  // namespace

void visit_torchinfo(const Graph& graph, TorchinfoVersion version,
                     const std::function<void(const Call&, const Formula&)>& visit) {
  each_leaf_call(graph, [&](const Call& call, const Module& module, const Shape& out) {
    for (auto id : module.params) {
      const auto& param = graph.params[id];
      if (param.buffer) continue;
      const auto formula = count(module, param, out, version);
      if (!formula.empty()) visit(call, formula);
    }
  });
}

TorchinfoTotals torchinfo_totals(const Graph& graph) {
  constexpr std::uint64_t kFloat = 4;
  constexpr std::uint64_t kPythonObject = 56;
  TorchinfoTotals t;
  t.params = parameters(graph).sum();
  t.param_bytes = t.params * kFloat;
  for (auto id : graph.inputs) {
    const auto& x = graph.nodes[id];
    t.input_bytes += numel(x.shape) * size_of(x.dtype) + kPythonObject;
  }
  visit_torchinfo(graph, TorchinfoVersion::main,
                  [&](const Call&, const Formula& f) { t.mult_adds += f.value(); });
  each_leaf_call(graph, [&](const Call&, const Module& module, const Shape& out) {
    const bool has_params = std::any_of(module.params.begin(), module.params.end(),
                                        [&](ParamId id) { return !graph.params[id].buffer; });
    if (has_params) t.output_bytes += numel(out) * kFloat * 2;
  });
  return t;
}

}  // namespace vitals
