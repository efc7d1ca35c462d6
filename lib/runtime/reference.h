// What every op means, as plain loops over any number type: the statement that backends are checked
// against, and that the formulas of cost/arithmetic.h are counted from. Shapes and strides are
// honoured, speed is not. Knows no models, no arena and no weights' files.
#pragma once

#include "graph/graph.h"
#include "runtime/reference/attention.h"
#include "runtime/reference/layout.h"
#include "runtime/reference/norms.h"
#include "runtime/reference/pointwise.h"
#include "runtime/reference/products.h"
#include "runtime/reference/windows.h"

namespace vitals {

// Computes `node` into `output`, whose shape is node.shape and whose strides are the caller's.
// T needs + - * / < and unary -, a constructor from double, and exp, log1p, erf, tanh, sin, cos,
// sqrt found by argument-dependent lookup (or those of <cmath>).
//
// Views (reshape, expand, permute, slice) copy their elements, which changes nothing where the
// output is the view itself. Leaves (input, parameter, constant) are what the caller put into
// `output`. Random ops draw from operands.uniform, once per decision, in row-major order.
template <class T>
void run_reference(const Node& node, const Operands<T>& operands, const Strided<T>& output) {
  std::visit([&](const auto& o) { reference::run(o, operands, output); }, node.op);
}

}  // namespace vitals
