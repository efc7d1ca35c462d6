// Views, copies, pieces and joins, indexing, tensors that are made.
#include "core/error.h"
#include "frontends/torch/aten.h"

#include <algorithm>

namespace vitals::torch {
namespace {

std::vector<NodeId> same(AtenContext& c) { return {c.tensor(0)}; }

std::vector<NodeId> reshape(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto& shape = c.result(0).shape;
  if (c.graph().nodes[x].shape == shape) return {x};
  return {c.add(op::Reshape{shape}, {x})};
}

std::vector<NodeId> expand(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto& shape = c.result(0).shape;
  if (c.graph().nodes[x].shape == shape) return {x};
  return {c.add(op::Expand{shape}, {x})};
}

std::vector<NodeId> permuted(AtenContext& c, NodeId x, const Dims& order) {
  return {c.add(op::Permute{order}, {x})};
}

std::vector<NodeId> permute(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto rank = c.graph().nodes[x].shape.rank();
  Dims order;
  const auto dims = c.integers(1, "dims");
  if (dims.size() != rank) fail("[permute] {} of {} dimensions", dims.size(), rank);
  for (const auto dim : dims)
    order.push_back(static_cast<std::uint64_t>(AtenContext::axis(dim, rank)));
  return permuted(c, x, order);
}

std::vector<NodeId> swapped(AtenContext& c, std::int64_t a, std::int64_t b) {
  const auto x = c.tensor(0);
  const auto rank = c.graph().nodes[x].shape.rank();
  if (rank < 2) return {x};
  Dims order;
  for (std::size_t i = 0; i < rank; ++i) order.push_back(i);
  std::swap(order[static_cast<std::size_t>(AtenContext::axis(a, rank))],
            order[static_cast<std::size_t>(AtenContext::axis(b, rank))]);
  return permuted(c, x, order);
}
std::vector<NodeId> transpose(AtenContext& c) {
  return swapped(c, c.integer(1, 0, "dim0"), c.integer(2, 1, "dim1"));
}
std::vector<NodeId> t(AtenContext& c) { return swapped(c, 0, 1); }

// x[..., start:end:step, ...] along dim
std::vector<NodeId> slice(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto& shape = c.graph().nodes[x].shape;
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), shape.rank());
  const auto size = static_cast<std::int64_t>(shape.at(dim));
  auto start = c.integer(2, 0, "start");
  if (start < 0) start += size;
  start = std::clamp<std::int64_t>(start, 0, size);
  const auto length = c.result(0).shape.at(dim);
  const auto step = c.integer(4, 1, "step");
  if (step < 1) fail("[slice] a step of {}", step);
  if (length == shape.at(dim) && step == 1) return {x};
  op::Slice op{dim, static_cast<std::uint64_t>(start), length, false, false};
  op.step = static_cast<std::uint64_t>(step);
  return {c.add(op, {x})};
}

std::vector<NodeId> narrow(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[x].shape.rank());
  const auto start = c.integer(2, 0, "start");
  const auto length = c.integer(3, 0, "length");
  if (start < 0 || length < 0) fail("[narrow] from {}", start);
  return {c.add(op::Slice{dim, static_cast<std::uint64_t>(start),
                          static_cast<std::uint64_t>(length), false, false},
                {x})};
}

std::vector<NodeId> select(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto& shape = c.graph().nodes[x].shape;
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), shape.rank());
  auto index = c.integer(2, 0, "index");
  if (index < 0) index += static_cast<std::int64_t>(shape.at(dim));
  if (index < 0) fail("[select] index {}", index);
  return {c.add(op::Slice{dim, static_cast<std::uint64_t>(index), 1, true, false}, {x})};
}

// One result for each piece along dim; their lengths are those that were recorded.
std::vector<NodeId> pieces(AtenContext& c, std::int64_t along, bool drop) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(along, c.graph().nodes[x].shape.rank());
  std::vector<NodeId> results;
  std::uint64_t start = 0;
  for (std::size_t i = 0; i < c.results(); ++i) {
    const auto length = drop ? 1 : c.result(i).shape.at(dim);
    results.push_back(c.add(op::Slice{dim, start, length, drop, true}, {x}));
    start += length;
  }
  return results;
}
std::vector<NodeId> split(AtenContext& c) { return pieces(c, c.integer(2, 0, "dim"), false); }
std::vector<NodeId> unbind(AtenContext& c) { return pieces(c, c.integer(1, 0, "dim"), true); }

std::vector<NodeId> tensors_of(AtenContext& c, const TraceArgument& list) {
  std::vector<NodeId> all;
  for (const auto& entry : list.list) all.push_back(c.tensor(entry));
  if (all.empty()) fail("an empty list of tensors");
  return all;
}

std::vector<NodeId> cat(AtenContext& c) {
  auto xs = tensors_of(c, c.argument(0, "tensors"));
  // torch.cat passes over tensors without elements, of whatever rank.
  std::vector<NodeId> real;
  for (const auto x : xs)
    if (numel(c.graph().nodes[x].shape) > Count(0)) real.push_back(x);
  if (real.empty()) real = xs;
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[real[0]].shape.rank());
  return {c.add(op::Concat{dim}, real)};
}

std::vector<NodeId> stack(AtenContext& c) {
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.result(0).shape.rank());
  std::vector<NodeId> wide;
  for (const auto x : tensors_of(c, c.argument(0, "tensors"))) {
    Shape shape;
    const auto& own = c.graph().nodes[x].shape;
    for (std::size_t i = 0; i <= own.rank(); ++i) {
      if (i == static_cast<std::size_t>(dim)) shape.push_back(1);
      if (i < own.rank()) shape.push_back(own[i]);
    }
    wide.push_back(c.add(op::Reshape{shape}, {x}));
  }
  return {c.add(op::Concat{dim}, wide)};
}

std::vector<NodeId> clone(AtenContext& c) { return {c.add(op::Copy{}, {c.tensor(0)})}; }
std::vector<NodeId> contiguous(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto& node = c.graph().nodes[x];
  if (is_contiguous(node.shape, node.strides)) return {x};
  return {c.add(op::Copy{}, {x})};
}

// dst.copy_(src): the memory of the first with the values of the second.
std::vector<NodeId> copy(AtenContext& c) {
  auto x = c.tensor(1);
  if (c.graph().nodes[x].dtype != c.result(0).dtype)
    x = c.add(op::Cast{c.result(0).dtype, false}, {x});
  if (!(c.graph().nodes[x].shape == c.result(0).shape))
    x = c.add(op::Expand{c.result(0).shape}, {x});
  return {c.add(op::Copy{}, {x})};
}

std::vector<NodeId> repeat(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto times = c.integers(1, "repeats");
  const auto& own = c.graph().nodes[x].shape;
  if (times.size() < own.rank() || times.size() > kMaxRank)
    fail("[repeat] {} numbers", times.size());
  Shape shape;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto missing = times.size() - own.rank();
    shape.push_back(i < missing ? 1 : own[i - missing]);
  }
  const auto y = own == shape ? x : c.add(op::Reshape{shape}, {x});
  Dims repeats;
  for (const auto n : times) {
    if (n < 0) fail("[repeat] {} times", n);
    repeats.push_back(static_cast<std::uint64_t>(n));
  }
  return {c.add(op::Tile{repeats}, {y})};
}

// constant_pad_nd(x, pad, value): pairs for the last dimensions first.
std::vector<NodeId> pad(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto rank = c.graph().nodes[x].shape.rank();
  const auto pairs = c.integers(1, "pad");
  if (pairs.size() % 2 != 0 || pairs.size() / 2 > rank) fail("[pad] {} numbers", pairs.size());
  std::vector<std::uint64_t> before(rank, 0);
  std::vector<std::uint64_t> after(rank, 0);
  for (std::size_t i = 0; i < pairs.size() / 2; ++i) {
    if (pairs[2 * i] < 0 || pairs[2 * i + 1] < 0) fail("[pad] less than nothing");
    before[rank - 1 - i] = static_cast<std::uint64_t>(pairs[2 * i]);
    after[rank - 1 - i] = static_cast<std::uint64_t>(pairs[2 * i + 1]);
  }
  op::Pad op;
  for (std::size_t i = 0; i < rank; ++i) {
    op.before.push_back(before[i]);
    op.after.push_back(after[i]);
  }
  op.value = c.number(2, 0, "value");
  return {c.add(op, {x})};
}

std::vector<NodeId> flip(AtenContext& c) {
  const auto x = c.tensor(0);
  op::Flip op;
  for (const auto dim : c.integers(1, "dims"))
    op.axes.push_back(
        static_cast<std::uint64_t>(AtenContext::axis(dim, c.graph().nodes[x].shape.rank())));
  return {c.add(op, {x})};
}

std::vector<NodeId> roll(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto shifts = c.integers(1, "shifts");
  const auto dims = c.integers(2, "dims");
  if (shifts.size() != 2 || dims.size() != 2) fail("[roll] along {} dimensions", dims.size());
  const auto rank = c.graph().nodes[x].shape.rank();
  op::Roll op;
  op.shift = {shifts[0], shifts[1]};
  op.axis0 = AtenContext::axis(dims[0], rank);
  op.axis1 = AtenContext::axis(dims[1], rank);
  return {c.add(op, {x})};
}

template <bool Upper>
std::vector<NodeId> triangle(AtenContext& c) {
  return {c.add(op::Triangle{Upper, c.integer(1, 0, "diagonal")}, {c.tensor(0)})};
}

// index_select(x, dim, index), and x[index] with one index
std::vector<NodeId> index_select(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::Take{op::TakeKind::rows, dim, 0}, {x, c.tensor(2)})};
}

std::vector<NodeId> index(AtenContext& c) {
  const auto& indices = c.argument(1, "indices").list;
  const TraceArgument* only = nullptr;
  int dim = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (!AtenContext::is_tensor(indices[i])) continue;
    if (only != nullptr) fail("[index] by several tensors");
    only = &indices[i];
    dim = static_cast<int>(i);
  }
  if (only == nullptr) fail("[index] by none");
  const auto at = c.tensor(*only);
  if (c.graph().nodes[at].dtype == DType::boolean) fail("[index] by a mask");
  return {c.add(op::Take{op::TakeKind::rows, dim, 0}, {c.tensor(0), at})};
}

std::vector<NodeId> gather(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[x].shape.rank());
  return {c.add(op::Take{op::TakeKind::elements, dim, 0}, {x, c.tensor(2)})};
}

std::vector<NodeId> scatter(AtenContext& c) {
  const auto x = c.tensor(0);
  const auto dim = AtenContext::axis(c.integer(1, 0, "dim"), c.graph().nodes[x].shape.rank());
  const auto& source = c.argument(3, "src");
  if (!AtenContext::is_tensor(source)) fail("[scatter] of a number");
  return {c.add(op::Scatter{op::TakeKind::elements, dim}, {x, c.tensor(2), c.tensor(source)})};
}

// What is made from sizes alone.
std::vector<NodeId> constant(AtenContext& c) {
  const auto& value = c.result(0);
  return {c.add(op::Constant{value.shape, value.dtype, {}}, {})};
}

constexpr AtenEntry kViewRules[] = {
    {"alias", same},
    {"detach", same},
    {"lift_fresh", same},
    {"lift_fresh_copy", same},
    {"view_as", reshape},
    {"view", reshape},
    {"_unsafe_view", reshape},
    {"_reshape_alias", reshape},
    {"reshape", reshape},
    {"flatten", reshape},
    {"unflatten", reshape},
    {"unsqueeze", reshape},
    {"squeeze", reshape},
    {"expand", expand},
    {"expand_as", expand},
    {"permute", permute},
    {"transpose", transpose},
    {"swapaxes", transpose},
    {"t", t},
    {"numpy_T", t},
    {"slice", slice},
    {"narrow", narrow},
    {"select", select},
    {"split", split},
    {"split_with_sizes", split},
    {"unsafe_split", split},
    {"unsafe_split_with_sizes", split},
    {"chunk", split},
    {"unsafe_chunk", split},
    {"unbind", unbind},
    {"cat", cat},
    {"concat", cat},
    {"stack", stack},
    {"clone", clone},
    {"contiguous", contiguous},
    {"copy", copy},
    {"repeat", repeat},
    {"constant_pad_nd", pad},
    {"flip", flip},
    {"roll", roll},
    {"tril", triangle<false>},
    {"triu", triangle<true>},
    {"index_select", index_select},
    {"index", index},
    {"gather", gather},
    {"scatter", scatter},
    {"arange", constant},
    {"zeros", constant},
    {"ones", constant},
    {"full", constant},
    {"eye", constant},
    {"linspace", constant},
    {"scalar_tensor", constant},
    {"zeros_like", constant},
    {"ones_like", constant},
    {"full_like", constant},
    {"new_zeros", constant},
    {"new_ones", constant},
    {"new_full", constant},
    {"zero", constant},
    {"fill", constant},
};

}  // namespace

std::span<const AtenEntry> aten_views() { return kViewRules; }

}  // namespace vitals::torch
