#include "graph/adapters.h"

#include "core/error.h"
#include "core/suggest.h"
#include "graph/lora_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace vitals {
namespace {

// Copies a trace node by node, and puts adapters behind the targets.
class LoraWriter {
 public:
  LoraWriter(const Graph& from, const Lora& lora, const std::vector<LoraTarget>& targets)
      : from_(from), lora_(lora), to_(from) {
    to_.nodes.clear();
    for (auto& param : to_.params) param.trainable = false;
    for (const auto& target : targets)
      if (is_adapted(target)) targets_[target.weight].push_back(target);
    if (targets_.empty() && !targets.empty())
      fail("of the layers that adapters are for, {} has none that is not excluded", from.model);
  }

  Graph write() {
    if (!from_.adapters.empty())
      fail("--lora-rank: {} has adapters already; name its base model", from_.model);
    for (NodeId id = 0; id < from_.nodes.size(); ++id) {
      begins_.push_back(static_cast<NodeId>(to_.nodes.size()));
      auto node = from_.nodes[id];
      for (auto& input : node.inputs) input = results_[input];
      const bool view = node.storage != id;
      const auto copy = static_cast<NodeId>(to_.nodes.size());
      node.storage = view ? results_[node.storage] : copy;
      to_.nodes.push_back(std::move(node));
      results_.push_back(adapt(copy));
    }
    begins_.push_back(static_cast<NodeId>(to_.nodes.size()));
    move_calls();
    train_biases();
    copy_saved();
    return std::move(to_);
  }

 private:
  [[nodiscard]] bool is_adapted(const LoraTarget& target) const {
    const auto path = path_of(target);
    for (const auto& name : lora_.excluded)
      if (ends_path(path, name)) return false;
    const auto layer = from_.modules[from_.params[target.weight].module].layer;
    const auto& layers = lora_.layers;
    return layers.empty() || std::find(layers.begin(), layers.end(), layer) != layers.end();
  }

  [[nodiscard]] std::uint64_t rank_of(const LoraTarget& target) const {
    for (const auto& [name, rank] : lora_.ranks)
      if (ends_path(path_of(target), name)) return rank;
    return lora_.rank;
  }

  // "experts.w1" of an expert's "w1.weight", else the module's own path.
  [[nodiscard]] std::string path_of(const LoraTarget& target) const {
    const auto& param = from_.params[target.weight];
    const auto& module = from_.modules[param.module].path;
    return param.name == "weight" ? module
                                  : module + "." + param.name.substr(0, param.name.find('.'));
  }

  void train_biases() {
    if (lora_.biases == "none") return;
    std::set<ModuleId> adapted;
    for (const auto& [weight, targets] : targets_) adapted.insert(from_.params[weight].module);
    for (auto& param : to_.params)
      if (param.bias && (lora_.biases == "all" || adapted.count(param.module) > 0))
        param.trainable = true;
  }

  // The nodes of saved modules work with a copy of their weights; the originals stay, frozen.
  void copy_saved() {
    for (const auto& name : lora_.saved) {
      std::map<ParamId, ParamId> copies;
      for (auto& node : to_.nodes) {
        const auto module = to_.calls[node.call].module;
        const auto inside = saved_at(module, name);
        if (inside == kNone) continue;
        for (auto& param : node.params) {
          if (param == kNone || to_.params[param].adapter) continue;
          const auto known = copies.find(param);
          param = known != copies.end()
                      ? known->second
                      : copies.emplace(param, copy_of(param, inside)).first->second;
        }
      }
      if (copies.empty()) fail("modules_to_save: no module is called '{}'", name);
    }
  }

  // The module of this name that `module` is or stands in.
  [[nodiscard]] ModuleId saved_at(ModuleId module, const std::string& name) const {
    for (; module != kNone; module = to_.modules[module].parent)
      if (ends_path(to_.modules[module].path, name)) return module;
    return kNone;
  }

  ParamId copy_of(ParamId param, ModuleId saved) {
    const auto id = static_cast<ParamId>(to_.params.size());
    auto copy = to_.params[param];
    const auto& inner = to_.modules[copy.module].path;
    const auto& outer = to_.modules[saved].path;
    const auto rest = begins_path(inner, outer) ? inner.substr(outer.size()) : std::string();
    const auto path = outer + ".modules_to_save" + rest;
    auto module = std::find_if(to_.modules.begin(), to_.modules.end(),
                               [&](const Module& m) { return m.path == path; });
    if (module == to_.modules.end()) {
      Module made{path, to_.modules[copy.module].type, saved, {}};
      made.layer = to_.modules[saved].layer;
      module = to_.modules.insert(module, std::move(made));
    }
    copy.module = static_cast<ModuleId>(module - to_.modules.begin());
    copy.trainable = !copy.buffer;
    module->params.push_back(id);
    to_.params.push_back(std::move(copy));
    return id;
  }

  // The node that takes the place of `base` where its weight has adapters, else itself.
  NodeId adapt(NodeId base) {
    const auto& node = to_.nodes[base];
    const bool product = std::holds_alternative<op::Linear>(node.op) ||
                         std::holds_alternative<op::ExpertLinear>(node.op);
    if (!product) return base;
    const auto found = targets_.find(node.params[0]);
    if (found == targets_.end()) return base;
    auto sum = base;
    for (const auto& target : found->second) sum = adapt(base, sum, target);
    return sum;
  }

  // `sum` plus the adapter of a part of the output features of `base`.
  NodeId adapt(NodeId base, NodeId sum, const LoraTarget& target) {
    const auto node = to_.nodes[base];
    const auto* experts = std::get_if<op::ExpertLinear>(&node.op);
    const auto in = experts ? experts->in : std::get<op::Linear>(node.op).in;
    const auto out = node.shape.at(-1);
    const bool whole = target.length == out;
    const auto rank = rank_of(target);
    const auto down = weight(target, whole, "lora_A", rank, in);
    const auto up = weight(target, whole, "lora_B", target.length, rank);
    auto x = node.inputs[0];
    const auto first = static_cast<NodeId>(to_.nodes.size());
    if (lora_.dropout > 0) x = add(node, op::Dropout{lora_.dropout}, {x}, to_.nodes[x].shape);
    const auto a = product(node, x, in, rank, down);
    auto y = product(node, a, rank, target.length, up);
    if (!whole) y = placed(node, y, target);
    const auto scaled = add(node, op::Scale{1.0}, {y}, node.shape);
    const auto result = add(node, op::Binary{op::BinaryKind::add}, {sum, scaled}, node.shape);
    if (whole && experts == nullptr) to_.adapters.push_back({base, first, result, down, up});
    return result;
  }

  NodeId product(const Node& like, NodeId x, std::uint64_t in, std::uint64_t out, ParamId weight) {
    auto shape = like.shape;
    shape[shape.rank() - 1] = out;
    if (const auto* o = std::get_if<op::ExpertLinear>(&like.op))
      return add(like, op::ExpertLinear{o->experts, o->active, in, out, false, false},
                 {x, like.inputs[1]}, shape, weight);
    return add(like, op::Linear{in, out, false}, {x}, shape, weight);
  }

  // A part of the features at its place among zeros.
  NodeId placed(const Node& like, NodeId y, const LoraTarget& target) {
    std::vector<NodeId> parts;
    const auto zeros = [&](std::uint64_t length) {
      if (length == 0) return;
      auto shape = like.shape;
      shape[shape.rank() - 1] = length;
      op::Constant constant{shape, DType::f32, {}};
      constant.fill = [](std::span<float> values) {
        std::fill(values.begin(), values.end(), 0.0F);
      };
      parts.push_back(add(like, std::move(constant), {}, shape));
    };
    zeros(target.begin);
    parts.push_back(y);
    zeros(like.shape.at(-1) - target.begin - target.length);
    return add(like, op::Concat{-1}, std::move(parts), like.shape);
  }

  NodeId add(const Node& like, Op op, std::vector<NodeId> inputs, const Shape& shape,
             ParamId weight_id = kNone) {
    Node node = like;
    node.op = std::move(op);
    node.inputs = std::move(inputs);
    node.params = {weight_id, kNone};
    node.shape = shape;
    node.strides = contiguous_strides(node.shape);
    node.storage = static_cast<NodeId>(to_.nodes.size());
    to_.nodes.push_back(std::move(node));
    return to_.nodes.back().storage;
  }

  // The weight [rows, columns] of an adapter, of each expert where there are several: a child
  // module of the adapted layer, made once.
  ParamId weight(const LoraTarget& target, bool whole, const char* name, std::uint64_t rows,
                 std::uint64_t columns) {
    const auto& base = from_.params[target.weight];
    const auto& parent = from_.modules[base.module].path;
    auto path = parent.empty() ? std::string() : parent + ".";
    if (base.experts > 0) path += base.name.substr(0, base.name.find('.')) + ".";
    path += name;
    if (!whole) path += fmt::format("_{}", target.begin);
    if (const auto known = weights_.find(path); known != weights_.end()) return known->second;
    const auto param = static_cast<ParamId>(to_.params.size());
    const auto module = static_cast<ModuleId>(to_.modules.size());
    to_.modules.push_back({path, "Linear", base.module, {param}});
    to_.modules.back().layer = from_.modules[base.module].layer;
    Param p;
    p.name = "weight";
    p.module = module;
    p.shape = base.experts > 0 ? Shape{base.experts, rows, columns} : Shape{rows, columns};
    p.experts = base.experts;
    p.dtype = lora_.dtype;
    p.adapter = true;
    to_.params.push_back(std::move(p));
    return weights_[path] = param;
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
  std::map<ParamId, std::vector<LoraTarget>> targets_;
  std::map<std::string, ParamId> weights_;  // of adapters, by path
  Graph to_;
  std::vector<NodeId> begins_;   // by old node: where its copy and adapter begin
  std::vector<NodeId> results_;  // by old node: what its users now use
};

}  // namespace

namespace {

// By its path, or by that of its checkpoints.
bool is_called(const Graph& graph, const Param& param, std::string_view prefix) {
  const auto path = path_of(graph, param);
  if (begins_path(path, prefix)) return true;
  if (graph.checkpoint_keys == nullptr) return false;
  const auto stored = stored_names(*graph.checkpoint_keys, path);
  return std::any_of(stored.begin(), stored.end(),
                     [&](const std::string& name) { return begins_path(name, prefix); });
}

void set_trainable(Graph& graph, const std::vector<std::string>& paths, bool trainable,
                   const char* option) {
  for (const auto& prefix : paths) {
    bool found = false;
    for (auto& param : graph.params) {
      if (prefix != "." && !is_called(graph, param, prefix)) continue;
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

Graph with_lora(const Graph& graph, const Lora& lora) {
  return LoraWriter(graph, lora, lora_targets(graph, lora.targets)).write();
}

}  // namespace vitals
