#include "report/summary.h"

#include "cost/rollup.h"
#include "report/module_table.h"
#include "report/op_list.h"
#include "report/stored_weights.h"
#include "report/text/units.h"
#include "report/torchsummary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

using nlohmann::ordered_json;

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::vector<std::string> texts;
  for (const auto& s : shapes) texts.push_back(to_string(s));
  return fmt::format("{}", fmt::join(texts, ", "));
}

ordered_json shape_json(const Shape& shape) {
  auto json = ordered_json::array();
  for (auto d : shape) json.push_back(d);
  return json;
}

// One shape, a list of shapes for a tuple, null for a module that is never called.
ordered_json shapes_json(const std::vector<Shape>& shapes) {
  if (shapes.empty()) return nullptr;
  if (shapes.size() == 1) return shape_json(shapes[0]);
  auto json = ordered_json::array();
  for (const auto& s : shapes) json.push_back(shape_json(s));
  return json;
}

std::string totals_text(const Graph& graph, Count params, Count macs) {
  std::vector<Shape> inputs;
  for (auto id : graph.inputs) inputs.push_back(graph.nodes[id].shape);
  const auto trained = trainable_parameters(graph);
  return fmt::format("input {}: {} parameters ({}), {} in fp32, {} MACs, {} FLOPs.",
                     shapes_text(inputs), grouped(params),
                     trained == params ? "all trainable" : grouped(trained) + " trainable",
                     binary_bytes(params * size_of(DType::f32)), si(macs), si(macs * 2));
}

// torchsummary prints two digits; so does the JSON of its figures.
double two_digits(double x) { return std::round(x * 100) / 100; }

}  // namespace

Table summary_tree(const Graph& graph, const TreeOptions& given, const StoredWeights* stored) {
  const auto params = parameters(graph);
  const auto macs = macs_by_module(graph);
  const auto shapes = output_shapes(graph);
  const auto held = of_params(params, [&](ParamId id) { return numel(graph.params[id]); });
  const auto shape = [&](const TreeLine& line) {
    if (line.param != kNone) return to_string(graph.params[line.param].shape);
    return line.own_ops ? std::string() : shapes_text(shapes[line.module]);
  };
  auto options = given;
  std::vector<ModuleColumn> columns = {{{"output shape"}, shape},
                                       figure_column("params", held, grouped),
                                       share_column(held, params.sum()),
                                       figure_column("MACs", of_ops(macs), si)};
  std::optional<StoredColumns> kept;
  if (stored != nullptr) {
    kept.emplace(graph, *stored);
    options.marks = kept->marks();  // modules fold only where they are stored alike
    for (auto& column : kept->columns()) columns.push_back(std::move(column));
  }
  auto table = module_table(graph, tree_lines(graph, options, {&macs.own}), columns);
  table.notes.push_back(totals_text(graph, params.sum(), macs.sum()));
  if (stored != nullptr) table.notes.push_back(stored_line(graph, *stored));
  return table;
}

Table summary_layers(const Graph& graph) {
  const auto params = parameters(graph);
  const auto macs = macs_by_module(graph);
  const auto shapes = output_shapes(graph);
  Table table{{{"path"}, {"type"}, {"output_shape"}, {"params", true}, {"macs", true}}, {}, {}};
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    table.rows.push_back({graph.modules[id].path, graph.modules[id].type, shapes_text(shapes[id]),
                          fmt::format("{}", params.own[id]), fmt::format("{}", macs.own[id])});
  return table;
}

ordered_json summary_json(const Graph& graph, const StoredWeights* stored) {
  const auto params = parameters(graph);
  const auto macs = macs_by_module(graph);
  const auto shapes = output_shapes(graph);
  const auto ts = torch_summary(graph, graph.batch);
  std::vector<Shape> inputs;
  for (auto id : graph.inputs) inputs.push_back(graph.nodes[id].shape);
  ordered_json json = ordered_json::object();
  json["schema_version"] = 1;
  json["model"] = graph.model;
  json["input_shape"] = shapes_json(inputs);
  json["totals"] = {{"params", params.sum().value()},
                    {"trainable_params", trainable_parameters(graph).value()},
                    {"active_params", active_parameters(graph).value()},
                    {"params_torchsummary", ts.total_params.value()},
                    {"weight_bytes", (params.sum() * size_of(DType::f32)).value()},
                    {"macs", macs.sum().value()},
                    {"flops", (macs.sum() * 2).value()},
                    {"num_tokens", graph.num_tokens},
                    {"output_shape", shapes_json(shapes[0])}};
  add_unknown_ops(json, json["totals"], graph);
  json["torchsummary"] = {{"total_params", ts.total_params.value()},
                          {"input_mb", two_digits(ts.input_mb)},
                          {"forward_backward_mb", two_digits(ts.forward_backward_mb)},
                          {"params_mb", two_digits(ts.params_mb)},
                          {"total_mb", two_digits(ts.total_mb)}};
  auto& layers = json["layers"] = ordered_json::array();
  for (ModuleId id = 0; id < graph.modules.size(); ++id)
    layers.push_back({{"path", graph.modules[id].path},
                      {"type", graph.modules[id].type},
                      {"output_shape", shapes_json(shapes[id])},
                      {"params", params.own[id].value()},
                      {"macs", macs.own[id].value()}});
  if (stored != nullptr) {
    json["stored"] = stored_json(*stored);
    const StoredColumns kept(graph, *stored);
    for (ModuleId id = 0; id < graph.modules.size(); ++id) {
      layers[id]["dtype"] = kept.marks()[id];
      layers[id]["bytes"] = kept.bytes().own[id].value();
    }
  }
  auto& children = json["params_by_child"] = ordered_json::object();
  for (const auto& [name, count] : params_by_child(graph, params)) children[name] = count.value();
  return json;
}

}  // namespace vitals
