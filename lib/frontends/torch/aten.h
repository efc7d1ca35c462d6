// The rules by which an ATen operator becomes ops of a trace. A rule reads its arguments, adds
// nodes, and returns the results in the operator's order; a result that only some operators have
// may be left out. The importer compares every shape with what was recorded, and makes an opaque op
// of a node whose rule fails or differs.
#pragma once

#include "frontends/torch/trace_file.h"
#include "graph/graph.h"

#include <span>
#include <string_view>
#include <vector>

namespace vitals::torch {

// A parameter that is read as it is, or transposed (aten.t).
struct Weight {
  ParamId param = kNone;
  bool transposed = false;
};

// What an operator sees of the importer.
class AtenContext {
 public:
  virtual ~AtenContext() = default;

  [[nodiscard]] virtual const TraceNode& node() const = 0;
  [[nodiscard]] virtual const Graph& graph() const = 0;
  // The argument at this place, or by this name; of kind none where it is not given.
  [[nodiscard]] const TraceArgument& argument(std::size_t place, std::string_view name = {}) const;
  // The shape and type that were recorded of result i.
  [[nodiscard]] virtual const TraceValue& result(std::size_t i) const = 0;
  [[nodiscard]] virtual std::size_t results() const = 0;

  // A tensor argument as a node. Throws Error where it is none.
  virtual NodeId tensor(const TraceArgument& argument) = 0;
  NodeId tensor(std::size_t place) { return tensor(argument(place)); }
  [[nodiscard]] virtual const Shape& shape(const TraceArgument& argument) const = 0;
  // The parameter that an argument is, untouched but for a transposition; param is kNone where it
  // is no parameter.
  [[nodiscard]] virtual Weight weight(const TraceArgument& argument) const = 0;
  // The rate of the dropout whose mask the argument is; 0: it is no mask.
  [[nodiscard]] virtual double mask_rate(const TraceArgument& argument) const = 0;

  virtual NodeId add(Op op, const std::vector<NodeId>& inputs, ParamId weight = kNone,
                     ParamId bias = kNone) = 0;

  [[nodiscard]] static bool is_tensor(const TraceArgument& a) {
    return a.kind == TraceArgument::Kind::value || a.kind == TraceArgument::Kind::parameter;
  }
  [[nodiscard]] bool given(std::size_t place, std::string_view name = {}) const {
    return argument(place, name).kind != TraceArgument::Kind::none;
  }
  [[nodiscard]] std::int64_t integer(std::size_t place, std::int64_t absent,
                                     std::string_view name = {}) const;
  [[nodiscard]] double number(std::size_t place, double absent, std::string_view name = {}) const;
  [[nodiscard]] bool flag(std::size_t place, bool absent, std::string_view name = {}) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::size_t place,
                                                   std::string_view name = {}) const;
  // A dimension of a tensor of this rank, counted from the front.
  [[nodiscard]] static int axis(std::int64_t dim, std::size_t rank);
};

using AtenRule = std::vector<NodeId> (*)(AtenContext& c);

struct AtenEntry {
  std::string_view
      name;  // without "aten." and overload, without the last underscore of in-place ones
  AtenRule rule = nullptr;
};

// Null when there is none.
[[nodiscard]] AtenRule find_aten_rule(std::string_view name);

// "addmm" of "aten.addmm.default", "relu" of "torch.ops.aten.relu_.default".
[[nodiscard]] std::string_view aten_name(std::string_view op);

[[nodiscard]] std::span<const AtenEntry> aten_products();
[[nodiscard]] std::span<const AtenEntry> aten_norms();
[[nodiscard]] std::span<const AtenEntry> aten_elementwise();
[[nodiscard]] std::span<const AtenEntry> aten_views();

}  // namespace vitals::torch
