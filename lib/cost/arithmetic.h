// What an op really computes: its multiplications, additions, divisions, special functions and
// comparisons, each as a formula. They are those of the reference kernels in
// runtime/reference.h, which a test runs with a number type that counts its own operations.
// Conventions of other tools are elsewhere (conventions.h).
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"

#include <string_view>

namespace vitals {

// A subtraction is an addition; a change of sign and a choice between two values are free.
struct Arithmetic {
  Formula multiplications;
  Formula additions;
  Formula divisions;
  Formula exponentials;
  Formula logarithms;
  Formula error_functions;
  Formula tangents;  // tanh
  Formula circular;  // sin, cos
  Formula square_roots;
  Formula comparisons;
};

struct ArithmeticKind {
  std::string_view name;
  Formula Arithmetic::*member;
};

inline constexpr std::array<ArithmeticKind, 10> kArithmeticKinds = {{
    {"multiplications", &Arithmetic::multiplications},
    {"additions", &Arithmetic::additions},
    {"divisions", &Arithmetic::divisions},
    {"exp", &Arithmetic::exponentials},
    {"log", &Arithmetic::logarithms},
    {"erf", &Arithmetic::error_functions},
    {"tanh", &Arithmetic::tangents},
    {"sin/cos", &Arithmetic::circular},
    {"sqrt", &Arithmetic::square_roots},
    {"comparisons", &Arithmetic::comparisons},
}};

[[nodiscard]] Arithmetic arithmetic(const Graph& graph, const Node& node);

// All of them together.
[[nodiscard]] Count operations(const Arithmetic& arithmetic);

}  // namespace vitals
