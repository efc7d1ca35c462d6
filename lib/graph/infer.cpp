#include "graph/infer.h"

#include "graph/infer_rules.h"

namespace vitals {

Output infer(const Op& op, std::span<const Node* const> inputs) {
  return std::visit([&](const auto& o) { return shape_rules::infer_op(o, inputs); }, op);
}

}  // namespace vitals
