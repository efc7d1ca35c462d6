#include "models/layers/activation_names.h"

#include "core/error.h"
#include "core/text.h"
#include "graph/op_traits.h"

#include <fmt/format.h>

#include <utility>

namespace vitals {
namespace {

// The names of timm and those of Hugging Face's configs.
constexpr std::pair<std::string_view, op::ActivationKind> kActivations[] = {
    {"gelu", op::ActivationKind::gelu},
    {"gelu_python", op::ActivationKind::gelu},
    {"gelu_tanh", op::ActivationKind::gelu_tanh},
    {"gelu_new", op::ActivationKind::gelu_tanh},
    {"gelu_fast", op::ActivationKind::gelu_tanh},
    {"gelu_pytorch_tanh", op::ActivationKind::gelu_tanh},
    {"gelu_python_tanh", op::ActivationKind::gelu_tanh},
    {"gelu_accurate", op::ActivationKind::gelu_tanh},
    {"quick_gelu", op::ActivationKind::quick_gelu},
    {"silu", op::ActivationKind::silu},
    {"swish", op::ActivationKind::silu},
    {"relu", op::ActivationKind::relu},
    {"relu2", op::ActivationKind::relu_squared},
    {"relu_squared", op::ActivationKind::relu_squared},
    {"tanh", op::ActivationKind::tanh},
    {"sigmoid", op::ActivationKind::sigmoid},
};

}  // namespace

const std::vector<std::string_view>& activation_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const auto& activation : kActivations) all.push_back(activation.first);
    return all;
  }();
  return names;
}

op::ActivationKind activation_kind(std::string_view name) {
  for (const auto& [known, kind] : kActivations)
    if (same_name(known, name)) return kind;
  fail("unknown activation '{}'; known are: {}", name, fmt::join(activation_names(), ", "));
}

std::string_view activation_type(op::ActivationKind kind) {
  const auto row = traits(kind);
  return row.module.empty() ? row.name : row.module;
}

}  // namespace vitals
