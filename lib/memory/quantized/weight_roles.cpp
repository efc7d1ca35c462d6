#include "memory/quantized/weight_roles.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace vitals {
namespace {

struct NamedRole {
  std::string_view name;
  WeightRole role;
};

constexpr NamedRole kAttention[] = {
    {"q_proj", WeightRole::attention_q},        {"k_proj", WeightRole::attention_k},
    {"v_proj", WeightRole::attention_v},        {"qkv_proj", WeightRole::attention_qkv},
    {"c_attn", WeightRole::attention_qkv},      {"query_key_value", WeightRole::attention_qkv},
    {"Wqkv", WeightRole::attention_qkv},        {"qkv", WeightRole::attention_qkv},
    {"kv_b_proj", WeightRole::attention_kv_b},  {"o_proj", WeightRole::attention_output},
    {"out_proj", WeightRole::attention_output}, {"c_proj", WeightRole::attention_output},
    {"dense", WeightRole::attention_output},    {"proj", WeightRole::attention_output},
};

constexpr NamedRole kFeedForward[] = {
    {"gate_proj", WeightRole::ffn_gate},
    {"w1", WeightRole::ffn_gate},
    {"up_proj", WeightRole::ffn_up},
    {"w3", WeightRole::ffn_up},
    {"gate_up_proj", WeightRole::ffn_up},
    {"c_fc", WeightRole::ffn_up},
    {"fc_in", WeightRole::ffn_up},
    {"fc1", WeightRole::ffn_up},
    {"dense_h_to_4h", WeightRole::ffn_up},
    {"down_proj", WeightRole::ffn_down},
    {"w2", WeightRole::ffn_down},
    {"c_proj", WeightRole::ffn_down},
    {"fc_out", WeightRole::ffn_down},
    {"fc2", WeightRole::ffn_down},
    {"dense_4h_to_h", WeightRole::ffn_down},
};

// "gate_proj" of an expert's "gate_proj.weight", else the module's own name.
std::string_view weight_name(const Graph& graph, const Param& param) {
  const std::string_view name = param.name;
  if (name != "weight") return name.substr(0, name.find('.'));
  return last_name(graph.modules[param.module].path);
}

WeightRole named_role(const Graph& graph, const Param& param) {
  const auto parent = graph.modules[param.module].parent;
  const bool attention = parent != kNone && graph.modules[parent].type == "Attention";
  const auto name = weight_name(graph, param);
  auto find = [&](const auto& names) {
    const auto it = std::find_if(std::begin(names), std::end(names),
                                 [&](const NamedRole& n) { return n.name == name; });
    return it == std::end(names) ? WeightRole::linear : it->role;
  };
  return attention ? find(kAttention) : find(kFeedForward);
}

// The first number among the names of a path: 3 of "model.layers.3.mlp.experts.7".
std::uint64_t layer_of(std::string_view path) {
  while (!path.empty()) {
    const auto name = path.substr(0, path.find('.'));
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
    path.remove_prefix(std::min(path.size(), name.size() + 1));
  }
  return 0;
}

struct Use {
  const Graph& graph;
  std::vector<WeightUse>& uses;
  NodeId head;  // the last Linear

  void linear(NodeId id, ParamId weight, std::uint64_t columns) const {
    auto& use = uses[weight];
    if (use.role == WeightRole::token_embedding) {
      use.tied = true;
      return;
    }
    use.columns = columns;
    const auto& module = graph.modules[graph.params[weight].module];
    if (module.type == "Router")
      use.role = WeightRole::other;
    else
      use.role = id == head ? WeightRole::output : named_role(graph, graph.params[weight]);
  }
};

NodeId last_linear(const Graph& graph) {
  NodeId last = kNone;
  for (NodeId id = 0; id < graph.nodes.size(); ++id)
    if (std::holds_alternative<op::Linear>(graph.nodes[id].op)) last = id;
  return last;
}

}  // namespace

std::vector<WeightUse> weight_uses(const Graph& graph) {
  std::vector<WeightUse> uses(graph.params.size());
  const Use use{graph, uses, last_linear(graph)};
  bool has_tokens = false;
  for (NodeId id = 0; id < graph.nodes.size(); ++id) {
    const auto& node = graph.nodes[id];
    if (const auto* o = std::get_if<op::Linear>(&node.op)) use.linear(id, node.params[0], o->in);
    if (const auto* o = std::get_if<op::ExpertLinear>(&node.op))
      use.linear(id, node.params[0], o->in);
    const auto* table = std::get_if<op::Embedding>(&node.op);
    if (table == nullptr || has_tokens) continue;  // the first table is that of tokens
    has_tokens = true;
    uses[node.params[0]] = {WeightRole::token_embedding, 0, table->dim, false};
  }
  for (ParamId id = 0; id < uses.size(); ++id)
    uses[id].layer = layer_of(graph.modules[graph.params[id].module].path);
  return uses;
}

}  // namespace vitals
