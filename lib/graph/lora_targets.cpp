#include "graph/lora_targets.h"

#include "core/error.h"
#include "core/suggest.h"
#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

namespace vitals {
namespace {

constexpr std::string_view kAllLinear = "all-linear";

// The usual names of a role over the libraries. Users write them for models whose layers are named
// otherwise, or joined.
struct RoleWord {
  std::string_view word;
  Role role;
};
constexpr RoleWord kRoleWords[] = {
    {"q_proj", Role::query},
    {"query", Role::query},
    {"query_proj", Role::query},
    {"q_lin", Role::query},
    {"to_q", Role::query},
    {"q", Role::query},
    {"k_proj", Role::key},
    {"key", Role::key},
    {"key_proj", Role::key},
    {"k_lin", Role::key},
    {"to_k", Role::key},
    {"k", Role::key},
    {"v_proj", Role::value},
    {"value", Role::value},
    {"value_proj", Role::value},
    {"v_lin", Role::value},
    {"to_v", Role::value},
    {"v", Role::value},
    {"qkv", Role::qkv},
    {"qkv_proj", Role::qkv},
    {"query_key_value", Role::qkv},
    {"c_attn", Role::qkv},
    {"Wqkv", Role::qkv},
    {"o_proj", Role::attention_output},
    {"out_proj", Role::attention_output},
    {"out_lin", Role::attention_output},
    {"attention.output.dense", Role::attention_output},
    {"gate_proj", Role::gate},
    {"up_proj", Role::up},
    {"fc1", Role::up},
    {"intermediate.dense", Role::up},
    {"gate_up_proj", Role::gate_up},
    {"down_proj", Role::down},
    {"fc2", Role::down},
    {"output.dense", Role::down},
};

struct Weight {
  std::uint64_t out = 0;        // output features
  std::set<std::string> paths;  // of the modules that use it
  bool linear_module = true;    // not experts that are held as one parameter
};

using Weights = std::map<ParamId, Weight>;

// "experts.w1" of an expert's "w1.weight", else the module's own path.
std::string layer_path(const Graph& graph, const Param& param) {
  const auto& module = graph.modules[param.module].path;
  if (param.name == "weight") return module;
  return module + "." + param.name.substr(0, param.name.find('.'));
}

Weights linear_weights(const Graph& graph) {
  Weights weights;
  for (const auto& node : graph.nodes) {
    const auto* linear = std::get_if<op::Linear>(&node.op);
    const auto* expert = std::get_if<op::ExpertLinear>(&node.op);
    const auto id = node.params[0];
    if ((linear == nullptr && expert == nullptr) || id == kNone) continue;
    const auto& param = graph.params[id];
    auto& weight = weights[id];
    weight.out = linear != nullptr ? linear->out : expert->out;
    weight.linear_module = linear != nullptr || param.stacked;
    // A head that uses the table of tokens has that table's weight and a name of its own.
    const auto& user = graph.module_of(node);
    const bool tied = user.torch == TorchClass::linear && param.role == Role::embedding;
    weight.paths.insert(tied ? user.path : layer_path(graph, param));
  }
  return weights;
}

class Finder {
 public:
  explicit Finder(const Graph& graph)
      : graph_(graph), keys_(graph.checkpoint_keys.get()), weights_(linear_weights(graph)) {}

  std::vector<LoraTarget> find(const std::vector<std::string>& names) {
    if (names.empty()) add_defaults();
    for (const auto& name : names) add_name(std::string(trimmed(name)));
    std::vector<LoraTarget> result;
    for (const auto& [weight, begin, length] : targets_) {
      const bool in_whole = targets_.count({weight, 0, weights_.at(weight).out}) > 0;
      if (!in_whole || length == weights_.at(weight).out) result.push_back({weight, begin, length});
    }
    return result;
  }

 private:
  void add_defaults() {
    const auto& roles = graph_.adapter_roles;
    for (const auto& [id, weight] : weights_)
      if (std::find(roles.begin(), roles.end(), graph_.params[id].role) != roles.end()) add(id);
  }

  void add_name(const std::string& name) {
    known_ = false;
    if (name == kAllLinear) return add_all();
    for (const auto& [id, weight] : weights_)
      for (const auto& path : weight.paths)
        if (ends_path(path, name)) add(id);
    if (!known_) add_stored(name);
    if (!known_)
      for (const auto& [word, role] : kRoleWords)
        if (word == name) add_role(role);
    if (known_) return;
    fail("--lora-targets: no linear layer is called '{}' (there are {}){}", name,
         fmt::join(known_names(), ", "), did_you_mean(name, known_names()));
  }

  void add_all() {
    for (const auto& [id, weight] : weights_) {
      const auto role = graph_.params[id].role;
      const bool head = role == Role::head || role == Role::embedding || role == Role::classifier;
      if (weight.linear_module && !head) add(id);
    }
  }

  // By the names of published checkpoints, where one weight may be stored in several parts.
  void add_stored(const std::string& name) {
    for (const auto& [id, weight] : weights_) {
      const auto stored = stored_paths(id);
      for (std::size_t i = 0; i < stored.size(); ++i) {
        if (!ends_path(stored[i], name)) continue;
        const auto n = stored.size();
        add(id, weight.out / n * i, weight.out / n);
      }
    }
  }

  [[nodiscard]] std::vector<std::string> stored_paths(ParamId id) const {
    const auto& param = graph_.params[id];
    if (keys_ == nullptr || param.name != "weight") return {};
    auto names = stored_names(*keys_, path_of(graph_, param));
    for (auto& name : names)
      if (name.ends_with(".weight")) name.resize(name.size() - std::string_view(".weight").size());
    return names;
  }

  // Every weight of a role, its part of a joint one, or the parts of a joint role.
  void add_role(Role wanted) {
    for (const auto& [id, weight] : weights_) {
      const auto role = graph_.params[id].role;
      if (role == wanted)
        add(id);
      else if (role == Role::qkv)
        add_part_of_qkv(id, wanted);
      else if (role == Role::gate_up && (wanted == Role::gate || wanted == Role::up))
        add(id, wanted == Role::gate ? 0 : weight.out / 2, weight.out / 2);
      else if (role == Role::key_value && (wanted == Role::key || wanted == Role::value))
        add(id);
      else if (wanted == Role::qkv &&
               (role == Role::query || role == Role::key || role == Role::value))
        add(id);
      else if (wanted == Role::gate_up && (role == Role::gate || role == Role::up))
        add(id);
    }
  }

  void add_part_of_qkv(ParamId id, Role wanted) {
    const auto attention = enclosing(graph_, graph_.params[id].module, Role::attention);
    if (attention == kNone || graph_.modules[attention].heads.query == 0) return;
    const auto& heads = graph_.modules[attention].heads;
    const auto dim = weights_.at(id).out / (heads.query + 2 * heads.key);
    if (wanted == Role::query) add(id, 0, heads.query * dim);
    if (wanted == Role::key) add(id, heads.query * dim, heads.key * dim);
    if (wanted == Role::value) add(id, (heads.query + heads.key) * dim, heads.key * dim);
  }

  void add(ParamId id) { add(id, 0, weights_.at(id).out); }
  void add(ParamId id, std::uint64_t begin, std::uint64_t length) {
    known_ = true;
    targets_.insert({id, begin, length});
  }

  [[nodiscard]] std::vector<std::string> known_names() const {
    std::set<std::string> names{std::string(kAllLinear)};
    for (const auto& [id, weight] : weights_) {
      for (const auto& path : weight.paths) names.emplace(last_name(path));
      for (const auto& path : stored_paths(id)) names.emplace(last_name(path));
    }
    return {names.begin(), names.end()};
  }

  const Graph& graph_;
  const CheckpointKeys* keys_;
  Weights weights_;
  bool known_ = false;  // the present name fits something
  std::set<std::tuple<ParamId, std::uint64_t, std::uint64_t>> targets_;
};

}  // namespace

std::vector<LoraTarget> lora_targets(const Graph& graph, const std::vector<std::string>& names) {
  auto targets = Finder(graph).find(names);
  if (targets.empty())
    fail(
        "--lora-rank: {} has no projections of queries and values, which adapters stand beside "
        "by default; name the layers with --lora-targets",
        graph.model);
  return targets;
}

std::vector<std::string> default_lora_names(const Graph& graph) {
  std::set<std::string> names;
  for (const auto& target : Finder(graph).find({}))
    names.emplace(last_name(layer_path(graph, graph.params[target.weight])));
  return {names.begin(), names.end()};
}

}  // namespace vitals
