#include "runtime/program/lower.h"

#include "cost/macs.h"
#include "runtime/program/lowering.h"
#include "runtime/program/rows.h"

#include <algorithm>

namespace vitals {
namespace {

bool is_repeated(const View& view) {
  for (std::size_t i = 0; i < view.shape.rank(); ++i)
    if (view.shape[i] > 1 && view.strides[i] == 0) return true;
  return false;
}

}  // namespace

Lowering::Lowering(const Graph& graph, const LowerOptions& options)
    : graph_(graph),
      compute_(options.precision == Element::kF32 ? DType::f32 : DType::bf16),
      fixed_(graph.nodes.size()),
      pinned_(graph.nodes.size()) {
  mark_fixed();
  mark_pinned(options.keep);
  fusion_ = fuse(graph, pinned_);
  program_.value.resize(graph.nodes.size());
  program_.host = fusion_.host;
}

Program Lowering::run() {
  for (NodeId id = 0; id < graph_.nodes.size(); ++id) visit(id);
  for (NodeId id = 0; id < graph_.nodes.size(); ++id)
    if (pinned_[id]) program_.buffers[program_.value[id].buffer].pinned = true;
  return std::move(program_);
}

// Products stay in the program, so that every counted MAC is a measured one.
void Lowering::mark_fixed() {
  for (NodeId id = 0; id < graph_.nodes.size(); ++id) {
    const auto& n = node(id);
    const bool needs_input =
        std::holds_alternative<op::Input>(n.op) || std::holds_alternative<op::Embedding>(n.op);
    const bool of_fixed =
        std::all_of(n.inputs.begin(), n.inputs.end(), [&](NodeId i) { return fixed_[i]; });
    fixed_[id] = !needs_input && of_fixed && macs(graph_, n) == Count(0);
  }
}

void Lowering::mark_pinned(const std::vector<NodeId>& keep) {
  for (auto id : graph_.outputs) pinned_[id] = true;
  for (auto id : keep) pinned_[id] = true;
}

DType Lowering::result_type(NodeId id) const {
  const bool is_output =
      std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
  return is_output ? DType::f32 : compute_;
}

void Lowering::visit(NodeId id) {
  const auto& n = node(id);
  if (std::holds_alternative<op::Input>(n.op)) {
    program_.host[id] = kNone;
    program_.value[id] = dense(n.shape, n.dtype);
    program_.buffers[program_.value[id].buffer].pinned = true;
    return;
  }
  if (fixed_[id]) return fixed_value(id);
  if (const auto chain = fusion_.chains.find(id); chain != fusion_.chains.end())
    return linear(chain->second);
  const bool within_another = fusion_.host[id] != id || std::holds_alternative<op::Linear>(n.op);
  if (within_another || view(id)) return;
  op(id);
}

void Lowering::fixed_value(NodeId id) {
  program_.host[id] = kNone;
  if (!is_leaf(node(id).op) && view(id)) return;
  program_.value[id] = dense(node(id).shape, node(id).dtype);
  program_.buffers.back().fixed = id;
}

// Ops that only relabel memory; false for those that do not.
bool Lowering::view(NodeId id) {
  const auto& n = node(id);
  if (n.inputs.empty()) return false;
  const auto& x = input(id, 0);
  auto& y = program_.value[id];
  if (const auto* o = std::get_if<op::Reshape>(&n.op)) {
    const auto strides = view_strides(x.shape, x.strides, o->shape);
    if (!strides) {
      if (!fixed_[id]) reshape(id, *o);
      return !fixed_[id];
    }
    y = {x.buffer, x.offset, o->shape, *strides};
  } else if (const auto* e = std::get_if<op::Expand>(&n.op)) {
    y = broadcast_to(x, e->shape);
  } else if (const auto* p = std::get_if<op::Permute>(&n.op)) {
    y = x;
    for (std::size_t i = 0; i < p->order.rank(); ++i) {
      y.shape[i] = x.shape[p->order[i]];
      y.strides[i] = x.strides[p->order[i]];
    }
  } else if (const auto* s = std::get_if<op::Slice>(&n.op)) {
    const auto axis = x.shape.index(s->axis);
    y = {x.buffer, x.offset + s->start * x.strides[axis], n.shape, {}};
    for (std::size_t i = 0; i < x.strides.rank(); ++i)
      if (!s->select || i != axis) y.strides.push_back(x.strides[i] * (i == axis ? s->step : 1));
  } else {
    return false;
  }
  program_.host[id] = kNone;
  return true;
}

void Lowering::reshape(NodeId id, const op::Reshape& o) {
  auto flat = repacked(id, input(id, 0), dtype_of(input(id, 0)));
  program_.value[id] = {flat.buffer, 0, o.shape, contiguous_strides(o.shape)};
}

View Lowering::fresh(const Shape& shape, const Strides& strides, DType dtype) {
  Buffer buffer;
  buffer.elements = numel(shape).value();
  buffer.dtype = dtype;
  program_.buffers.push_back(buffer);
  return {static_cast<BufferId>(program_.buffers.size() - 1), 0, shape, strides};
}

View Lowering::dense(const Shape& shape, DType dtype) {
  return fresh(shape, contiguous_strides(shape), dtype);
}

View Lowering::repacked(NodeId id, const View& x, const Strides& strides, DType dtype) {
  const auto copy = fresh(x.shape, strides, dtype);
  emit(id, step::Copy{}, {x}, copy);
  return copy;
}

View Lowering::repacked(NodeId id, const View& x, DType dtype) {
  return repacked(id, x, contiguous_strides(x.shape), dtype);
}

void Lowering::emit(NodeId id, StepKind kind, std::vector<View> in, const View& out,
                    std::vector<std::size_t> overwrites) {
  program_.steps.push_back({id, std::move(kind), std::move(in), out, std::move(overwrites)});
}

// The view as [rows, columns] whose rows do not overlap, as dense layers want it.
View Lowering::matrix(NodeId id, const View& x, std::uint64_t columns, std::optional<DType> dtype) {
  const auto rows = numel(x.shape).value() / std::max<std::uint64_t>(columns, 1);
  const Shape shape{rows, columns};
  if (!dtype || *dtype == dtype_of(x)) {
    auto strides = view_strides(x.shape, x.strides, shape);
    if (strides && rows == 1) (*strides)[0] = columns;
    if (strides && columns == 1) (*strides)[1] = 1;
    if (strides && (*strides)[1] == 1 && (*strides)[0] >= columns)
      return {x.buffer, x.offset, shape, *strides};
  }
  const auto copy = repacked(id, x, dtype.value_or(dtype_of(x)));
  return {copy.buffer, 0, shape, contiguous_strides(shape)};
}

Lowering::Rowwise Lowering::rowwise(NodeId id, std::vector<View> in, DType dtype) {
  const auto& shape = node(id).shape;
  for (auto& x : in) x = broadcast_to(x, shape);
  // The operand whose order of dimensions the output takes over.
  const auto whole = std::find_if(in.begin(), in.end(), [](const View& x) {
    const std::array<View, 1> alone{x};
    return !is_repeated(x) && fold_rows(alone).has_value();
  });
  if (whole == in.end()) in.front() = repacked(id, in.front(), dtype_of(in.front()));
  const auto& leader = whole == in.end() ? in.front() : *whole;
  const auto strides = dense_like(shape, leader.strides);
  View out{kNone, 0, shape, strides};
  for (auto& x : in) {
    const std::array<View, 2> pair{x, out};
    if (!fold_rows(pair)) x = repacked(id, x, strides, dtype_of(x));
  }
  auto all = in;
  all.push_back(out);
  if (!fold_rows(all))
    for (auto& x : in)
      if (!(x.strides == strides)) x = repacked(id, x, strides, dtype_of(x));
  return {std::move(in), fresh(shape, strides, dtype)};
}

Program lower(const Graph& graph, const LowerOptions& options) {
  return Lowering(graph, options).run();
}

}  // namespace vitals
