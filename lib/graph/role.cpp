#include "graph/role.h"

#include <cstddef>
#include <iterator>
#include <utility>

namespace vitals {
namespace {

struct Row {
  Role role;
  std::string_view name;
  Cut cut = Cut::none;
};

// vLLM and Megatron-LM agree on what is replicated: latents, routers, projections between widths,
// tables of positions and types (vllm/model_executor/models/deepseek_v2.py and opt.py,
// ReplicatedLinear; megatron/core/transformer/multi_latent_attention.py, parallel_mode
// "duplicated"; megatron/core/models/common/embeddings/language_model_embedding.py).
constexpr Row kRoles[] = {
    {Role::none, "none"},
    {Role::query, "query", Cut::column},
    {Role::key, "key", Cut::column},
    {Role::value, "value", Cut::column},
    {Role::qkv, "qkv", Cut::column},
    {Role::key_value, "key_value", Cut::column},
    {Role::query_latent, "query_latent"},
    {Role::key_value_latent, "key_value_latent"},
    {Role::attention_output, "attention_output", Cut::row},
    {Role::gate, "gate", Cut::column},
    {Role::up, "up", Cut::column},
    {Role::gate_up, "gate_up", Cut::column},
    {Role::down, "down", Cut::row},
    {Role::qkv_up, "qkv_up", Cut::column},
    {Role::output_down, "output_down", Cut::row},
    {Role::router, "router"},
    {Role::shared_gate, "shared_gate"},
    {Role::token_mixing, "token_mixing"},
    {Role::embedding, "embedding", Cut::vocabulary},
    {Role::position_embedding, "position_embedding"},
    {Role::type_embedding, "type_embedding"},
    {Role::patch_embedding, "patch_embedding"},
    {Role::token, "token"},
    {Role::projection, "projection"},
    {Role::pooler, "pooler"},
    {Role::transform, "transform"},
    {Role::head, "head", Cut::vocabulary},
    {Role::classifier, "classifier"},
    {Role::norm, "norm"},
    {Role::scale, "scale"},
    {Role::position_bias, "position_bias"},
    {Role::sink, "sink", Cut::column},
    {Role::convolution, "convolution"},
    {Role::other, "other"},
    {Role::layer, "layer"},
    {Role::attention, "attention"},
    {Role::feed_forward, "feed_forward"},
    {Role::mixture, "mixture"},
    {Role::experts, "experts"},
};

constexpr bool complete() {
  for (std::size_t i = 0; i < std::size(kRoles); ++i)
    if (static_cast<std::size_t>(kRoles[i].role) != i) return false;
  return std::size(kRoles) == static_cast<std::size_t>(Role::experts) + 1;
}
static_assert(complete(), "one row a role, in the order of the enum");

constexpr const Row& row(Role role) { return kRoles[static_cast<std::size_t>(role)]; }

}  // namespace

Cut cut_of(Role role) { return row(role).cut; }

std::string_view name_of(Role role) { return row(role).name; }

TorchClass torch_class(std::string_view name) {
  using enum TorchClass;
  static constexpr std::pair<std::string_view, TorchClass> kClasses[] = {
      {"Linear", linear},
      {"Conv1d", conv1d},
      {"Conv2d", conv2d},
      {"Conv3d", conv3d},
      {"ConvTranspose1d", conv_transpose},
      {"ConvTranspose2d", conv_transpose},
      {"ConvTranspose3d", conv_transpose},
      {"Embedding", embedding},
      {"LayerNorm", layer_norm},
      {"BatchNorm1d", batch_norm},
      {"BatchNorm2d", batch_norm},
      {"BatchNorm3d", batch_norm},
      {"InstanceNorm1d", instance_norm},
      {"InstanceNorm2d", instance_norm},
      {"InstanceNorm3d", instance_norm},
      {"GroupNorm", group_norm},
      {"ReLU", activation},
      {"ReLU6", activation},
      {"GELU", activation},
      {"SiLU", activation},
      {"Sigmoid", activation},
      {"Tanh", activation},
      {"Hardswish", activation},
      {"Hardsigmoid", activation},
      {"LeakyReLU", activation},
      {"ELU", activation},
      {"Dropout", dropout},
      {"Identity", identity},
      {"AvgPool1d", avg_pool},
      {"AvgPool2d", avg_pool},
      {"AvgPool3d", avg_pool},
      {"MaxPool1d", max_pool},
      {"MaxPool2d", max_pool},
      {"MaxPool3d", max_pool},
      {"AdaptiveAvgPool2d", adaptive_avg_pool2d},
      {"LSTM", recurrent},
      {"GRU", recurrent},
      {"RNN", recurrent},
      {"MultiheadAttention", multihead_attention},
      {"Sequential", sequential},
      {"ModuleList", module_list},
  };
  for (const auto& [known, value] : kClasses)
    if (known == name) return value;
  return other;
}

}  // namespace vitals
