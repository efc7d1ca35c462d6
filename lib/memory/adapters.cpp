#include "memory/adapters.h"

#include "core/error.h"
#include "core/suggest.h"
#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace vitals {
namespace {

bool starts_path(std::string_view path, std::string_view prefix) {
  return path.substr(0, prefix.size()) == prefix &&
         (path.size() == prefix.size() || path[prefix.size()] == '.');
}

bool ends_path(std::string_view path, std::string_view suffix) {
  if (path.size() < suffix.size()) return false;
  const auto at = path.size() - suffix.size();
  return path.substr(at) == suffix && (at == 0 || path[at - 1] == '.');
}

// Modules that run a linear layer themselves, with the role of its weight. A head may use the table
// of the embedding.
std::map<ModuleId, Role> linear_modules(const Graph& graph) {
  std::map<ModuleId, Role> modules;
  for (const auto& node : graph.nodes)
    if (std::holds_alternative<op::Linear>(node.op) && node.params[0] != kNone)
      modules[graph.calls[node.call].module] = graph.params[node.params[0]].role;
  return modules;
}

bool makes_scores(Role role) {
  return role == Role::head || role == Role::embedding || role == Role::classifier;
}

constexpr std::string_view kAllLinear = "all-linear";

std::set<ModuleId> targets_of(const Graph& graph, std::vector<std::string> names) {
  if (names.empty()) names = default_lora_targets(graph);
  if (names.empty())
    fail(
        "--lora-rank: {} has no projections of queries and values, which adapters stand beside by "
        "default; name the layers with --lora-targets",
        graph.model);
  const auto linears = linear_modules(graph);
  std::set<ModuleId> targets;
  for (const auto& text : names) {
    const auto name = trimmed(text);
    const auto before = targets.size();
    for (const auto& [id, role] : linears)
      if (name == kAllLinear ? !makes_scores(role) : ends_path(graph.modules[id].path, name))
        targets.insert(id);
    if (targets.size() > before) continue;
    std::set<std::string> known;
    for (const auto& linear : linears) known.emplace(last_name(graph.modules[linear.first].path));
    fail("--lora-targets: no linear layer is called '{}' (there are {}){}", name,
         fmt::join(known, ", "), did_you_mean(name, {known.begin(), known.end()}));
  }
  return targets;
}

// Copies a trace node by node, and puts adapters behind the targets.
class LoraWriter {
 public:
  LoraWriter(const Graph& from, const Lora& lora, std::set<ModuleId> targets)
      : from_(from), lora_(lora), targets_(std::move(targets)), to_(from) {
    to_.nodes.clear();
    for (auto& param : to_.params) param.trainable = false;
  }

  Graph write() {
    for (NodeId id = 0; id < from_.nodes.size(); ++id) {
      begins_.push_back(static_cast<NodeId>(to_.nodes.size()));
      auto node = from_.nodes[id];
      for (auto& input : node.inputs) input = results_[input];
      const bool view = node.storage != id;
      const auto copy = static_cast<NodeId>(to_.nodes.size());
      node.storage = view ? results_[node.storage] : copy;
      const bool target = std::holds_alternative<op::Linear>(node.op) &&
                          targets_.count(from_.calls[node.call].module) > 0;
      to_.nodes.push_back(std::move(node));
      results_.push_back(target ? adapt(copy) : copy);
    }
    begins_.push_back(static_cast<NodeId>(to_.nodes.size()));
    move_calls();
    return std::move(to_);
  }

 private:
  NodeId adapt(NodeId base) {
    const auto node = to_.nodes[base];
    const auto module = to_.calls[node.call].module;
    const auto in = std::get<op::Linear>(node.op).in;
    const auto out = std::get<op::Linear>(node.op).out;
    const auto rank = lora_.rank;
    const auto down = weight(module, "lora_A", {rank, in});
    const auto up = weight(module, "lora_B", {out, rank});
    auto x = node.inputs[0];
    const auto first = static_cast<NodeId>(to_.nodes.size());
    if (lora_.dropout > 0) x = add(node, op::Dropout{lora_.dropout}, {x}, in, kNone);
    const auto a = add(node, op::Linear{in, rank, false}, {x}, rank, down);
    const auto b = add(node, op::Linear{rank, out, false}, {a}, out, up);
    const auto scaled = add(node, op::Scale{1.0}, {b}, out, kNone);
    const auto sum = add(node, op::Binary{op::BinaryKind::add}, {base, scaled}, out, kNone);
    to_.adapters.push_back({base, first, sum, down, up});
    return sum;
  }

  NodeId add(const Node& like, Op op, std::vector<NodeId> inputs, std::uint64_t features,
             ParamId weight_id) {
    Node node = like;
    node.op = std::move(op);
    node.inputs = std::move(inputs);
    node.params = {weight_id, kNone};
    node.shape[node.shape.rank() - 1] = features;
    node.strides = contiguous_strides(node.shape);
    node.storage = static_cast<NodeId>(to_.nodes.size());
    to_.nodes.push_back(std::move(node));
    return to_.nodes.back().storage;
  }

  // A child module of the adapted layer, once.
  ParamId weight(ModuleId parent, const char* name, const Shape& shape) {
    const auto path = to_.modules[parent].path + "." + name;
    for (ModuleId id = static_cast<ModuleId>(from_.modules.size()); id < to_.modules.size(); ++id)
      if (to_.modules[id].parent == parent && to_.modules[id].path == path)
        return to_.modules[id].params[0];
    const auto param = static_cast<ParamId>(to_.params.size());
    const auto module = static_cast<ModuleId>(to_.modules.size());
    to_.modules.push_back({path, "Linear", parent, {param}});
    Param p;
    p.name = "weight";
    p.module = module;
    p.shape = shape;
    p.dtype = lora_.dtype;
    p.adapter = true;
    to_.params.push_back(std::move(p));
    return param;
  }

  void move_calls() {
    const auto moved = [&](std::vector<NodeId>& ids) {
      for (auto& id : ids) id = results_[id];
    };
    for (auto& call : to_.calls) {
      call.begin = begins_[call.begin];
      call.end = begins_[call.end];
      moved(call.inputs);
      moved(call.outputs);
      moved(call.locals);
    }
    moved(to_.inputs);
    moved(to_.outputs);
  }

  const Graph& from_;
  const Lora& lora_;
  std::set<ModuleId> targets_;
  Graph to_;
  std::vector<NodeId> begins_;   // by old node: where its copy and adapter begin
  std::vector<NodeId> results_;  // by old node: what its users now use
};

}  // namespace

namespace {

void set_trainable(Graph& graph, const std::vector<std::string>& paths, bool trainable,
                   const char* option) {
  for (const auto& prefix : paths) {
    bool found = false;
    for (auto& param : graph.params) {
      if (prefix != "." && !starts_path(path_of(graph, param), prefix)) continue;
      param.trainable = trainable;
      found = true;
    }
    if (found) continue;
    std::vector<std::string> known;
    for (const auto& module : graph.modules)
      if (!module.path.empty()) known.push_back(module.path);
    fail("{}: nothing is called '{}'{}", option, prefix, did_you_mean(prefix, known));
  }
}

}  // namespace

void freeze(Graph& graph, const std::vector<std::string>& paths) {
  set_trainable(graph, paths, false, "--freeze");
}

void train(Graph& graph, const std::vector<std::string>& paths, bool only) {
  if (paths.empty()) return;
  if (only)
    for (auto& param : graph.params) param.trainable = false;
  set_trainable(graph, paths, true, "--train");
}

std::vector<std::string> default_lora_targets(const Graph& graph) {
  std::set<std::string> names;
  for (const auto& [id, role] : linear_modules(graph))
    if (role == Role::query || role == Role::value || role == Role::qkv)
      names.emplace(last_name(graph.modules[id].path));
  return {names.begin(), names.end()};
}

Graph with_lora(const Graph& graph, const Lora& lora) {
  return LoraWriter(graph, lora, targets_of(graph, lora.targets)).write();
}

}  // namespace vitals
