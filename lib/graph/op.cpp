#include "graph/op.h"

namespace vitals {

std::string_view name_of(op::ActivationKind kind) {
  using enum op::ActivationKind;
  switch (kind) {
    case gelu:
      return "gelu";
    case gelu_tanh:
      return "gelu_tanh";
    case quick_gelu:
      return "quick_gelu";
    case silu:
      return "silu";
    case relu:
      return "relu";
    case relu_squared:
      return "relu_squared";
    case tanh:
      return "tanh";
    case sigmoid:
      return "sigmoid";
    case softplus:
      return "softplus";
    case exp:
      return "exp";
    case sin:
      return "sin";
    case cos:
      return "cos";
  }
  return "?";
}

std::string_view name_of(const Op& op) {
  using namespace op;
  return std::visit(
      Overloaded{
          [](const Input&) -> std::string_view { return "input"; },
          [](const Parameter&) -> std::string_view { return "parameter"; },
          [](const Constant&) -> std::string_view { return "constant"; },
          [](const Linear&) -> std::string_view { return "linear"; },
          [](const ExpertLinear&) -> std::string_view { return "expert_linear"; },
          [](const Conv&) -> std::string_view { return "conv"; },
          [](const MatMul&) -> std::string_view { return "matmul"; },
          [](const Sdpa&) -> std::string_view { return "scaled_dot_product_attention"; },
          [](const Binary& b) -> std::string_view {
            switch (b.kind) {
              case BinaryKind::add:
                return "add";
              case BinaryKind::sub:
                return "sub";
              case BinaryKind::mul:
                return "mul";
              case BinaryKind::div:
                return "div";
            }
            return "?";
          },
          [](const Scale&) -> std::string_view { return "scale"; },
          [](const Activation& a) -> std::string_view { return name_of(a.kind); },
          [](const Softmax&) -> std::string_view { return "softmax"; },
          [](const TopK&) -> std::string_view { return "topk"; },
          [](const MaskedFill&) -> std::string_view { return "masked_fill"; },
          [](const LayerNorm&) -> std::string_view { return "layer_norm"; },
          [](const RmsNorm&) -> std::string_view { return "rms_norm"; },
          [](const GlobalResponseNorm&) -> std::string_view { return "global_response_norm"; },
          [](const Dropout&) -> std::string_view { return "dropout"; },
          [](const DropPath&) -> std::string_view { return "drop_path"; },
          [](const Concat&) -> std::string_view { return "concat"; },
          [](const Reshape&) -> std::string_view { return "reshape"; },
          [](const Expand&) -> std::string_view { return "expand"; },
          [](const Permute&) -> std::string_view { return "permute"; },
          [](const Slice&) -> std::string_view { return "slice"; },
          [](const Copy&) -> std::string_view { return "copy"; },
          [](const Roll&) -> std::string_view { return "roll"; },
          [](const Reduce& r) -> std::string_view {
            switch (r.kind) {
              case ReduceKind::mean:
                return "mean";
              case ReduceKind::sum:
                return "sum";
              case ReduceKind::max:
                return "max";
            }
            return "?";
          },
          [](const Embedding&) -> std::string_view { return "embedding"; },
          [](const Gather&) -> std::string_view { return "gather"; },
          [](const Rope&) -> std::string_view { return "rope"; },
      },
      op);
}

bool is_leaf(const Op& op) {
  return std::holds_alternative<op::Input>(op) || std::holds_alternative<op::Parameter>(op) ||
         std::holds_alternative<op::Constant>(op);
}

}  // namespace vitals
