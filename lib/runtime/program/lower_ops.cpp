#include "graph/op_traits.h"
#include "runtime/program/lowering.h"
#include "runtime/program/rows.h"

#include <algorithm>

namespace vitals {
namespace {

bool unit_last(const View& view) { return view.shape.at(-1) == 1 || view.strides.at(-1) == 1; }

// [batch, heads, tokens, features] of a view that may have no heads; nothing beyond four
// dimensions.
std::optional<View> with_heads(const View& x) {
  View y = x;
  if (x.shape.rank() == 4) return y;
  if (x.shape.rank() != 3) return std::nullopt;
  y.shape = {x.shape[0], 1, x.shape[1], x.shape[2]};
  y.strides = {x.strides[0], 0, x.strides[1], x.strides[2]};
  return y;
}

bool is_dilated(const op::Conv& o) {
  return std::any_of(o.dilation.begin(), o.dilation.begin() + o.spatial_dims,
                     [](std::uint32_t d) { return d != 1; });
}

// The strides of images [B, C, H, W] whose channels lie last.
Strides channels_last(const Shape& s) { return {s[1] * s[2] * s[3], 1, s[3] * s[1], s[1]}; }

}  // namespace

void Lowering::refuse(NodeId id) const {
  const auto& path = graph_.module_of(node(id)).path;
  fail("{}: vitals has no kernel for the op '{}'; it runs image encoders of the ViT family",
       path.empty() ? graph_.model : path, name_of(node(id).op));
}

// Kernels compute floating-point numbers; ids are looked up and nothing else.
bool Lowering::is_computed(NodeId id) const {
  if (std::holds_alternative<op::Embedding>(node(id).op)) return true;
  const auto& inputs = node(id).inputs;
  return is_floating(node(id).dtype) && std::all_of(inputs.begin(), inputs.end(), [&](NodeId i) {
           return is_floating(node(i).dtype);
         });
}

// Linear layers are lowered by their chains, views by view().
void Lowering::op(NodeId id) {
  if (!is_computed(id)) refuse(id);
  std::visit(
      Overloaded{
          [&]<class O>(const O&)
            requires(kTraits<O>.runs == Runs::never)
          { refuse(id);
}
, [&]<class O>(const O&) requires(kTraits<O>.runs == Runs::reference) { reference(id); }
, [&](const op::Linear&) { refuse(id); }, [&](const op::Conv& o) { conv(id, o); },
    [&](const op::MatMul&) { matmul(id); }, [&](const op::Sdpa& o) { attention(id, o); },
    [&](const op::Binary& o) { binary(id, o); },
    [&](const op::Scale& o) {
      unary(id, step::Unary{Activation::kIdentity, o.factor});
    },
    [&](const op::Unary& o) {
      if (const auto kind = kernel_activation(o.kind))
        unary(id, step::Unary{*kind, 1.0});
      else
        unary(id, step::Map{o});
    },
    [&](const op::Softmax& o) {
      if (o.log || node(id).shape.index(o.axis) + 1 != node(id).shape.rank())
        reference(id);
      else
        unary(id, step::Softmax{});
    },
    [&](const op::LayerNorm& o) { norm(id, o.eps, true); },
    [&](const op::RmsNorm& o) { norm(id, o.eps, false); },
    [&](const op::Concat& o) { concat(id, o); },
    [&](const op::Copy&) { program_.value[id] = repacked(id, input(id, 0), compute_); },
    [&](const op::Roll& o) { roll(id, o); }, [&](const op::Reduce& o) { reduce(id, o); },
    [&](const op::Embedding& o) { lookup(id, o); }, [&](const op::Rope& o) { rope(id, o); },
}  // namespace vitals
,
      node(id).op);
}

void Lowering::linear(const LinearChain& c) {
  const auto& head = node(c.head);
  const auto& o = std::get<op::Linear>(head.op);
  const bool computed_bias = head.inputs.size() > 1;
  if (computed_bias && !is_fixed(input(c.head, 1))) return reference(c.head);
  step::Linear s;
  s.in = o.in;
  s.out = o.out;
  s.transposed = o.transposed;
  s.weight = head.params[0];
  s.bias = head.params[1];
  s.gamma = c.gamma;
  s.activation = c.activation;
  s.multiplier = c.multiplier != kNone;
  s.residual = c.residual != kNone;
  std::vector<View> in{matrix(c.head, input(c.head, 0), o.in, compute_)};
  if (computed_bias) s.fixed_bias = input(c.head, 1);
  std::vector<std::size_t> overwrites;
  for (auto operand : {c.multiplier, c.residual}) {
    if (operand == kNone) continue;
    overwrites.push_back(in.size());
    in.push_back(matrix(c.head, program_.value[operand], o.out, std::nullopt));
  }
  const auto y = dense(node(c.tail).shape, result_type(c.tail));
  program_.value[c.tail] = y;
  emit(c.head, s, std::move(in), matrix(c.head, y, o.out, std::nullopt), std::move(overwrites));
}

void Lowering::depthwise(NodeId id, const op::Conv& o) {
  auto x = input(id, 0);
  const auto strides = channels_last(x.shape);
  if (!(x.strides == strides)) x = repacked(id, x, strides, dtype_of(x));
  const auto& s = node(id).shape;
  const auto y = fresh(s, channels_last(s), result_type(id));
  const auto& params = node(id).params;
  emit(id, step::Depthwise{o.kernel, o.stride, o.padding, params[0], params[1]}, {x}, y);
  program_.value[id] = y;
}

// A convolution whose kernel equals its stride is a dense layer on patches; its output lies with
// the channels last, which is how everything behind it wants it.
void Lowering::conv(NodeId id, const op::Conv& o) {
  if (o.transposed || o.more_padding != std::array<std::int32_t, 3>{} || is_dilated(o))
    return reference(id);
  if (o.spatial_dims == 2 && o.groups == o.in && o.in == o.out) return depthwise(id, o);
  if (o.spatial_dims != 2 || o.kernel != o.stride || o.padding != op::Conv::Extent{0, 0} ||
      o.groups != 1)
    return reference(id);
  auto image = input(id, 0);
  if (dtype_of(image) != DType::f32 || !is_contiguous(image.shape, image.strides))
    image = repacked(id, image, DType::f32);
  const auto& s = node(id).shape;
  const auto columns = o.in * o.kernel[0] * o.kernel[1];
  const auto patches = dense({s[0] * s[2] * s[3], columns}, compute_);
  emit(id, step::Patches{o.kernel[0], o.kernel[1]}, {image}, patches);
  step::Linear layer;
  layer.in = columns;
  layer.out = o.out;
  layer.weight = node(id).params[0];
  layer.bias = node(id).params[1];
  const auto y = dense({patches.shape[0], o.out}, result_type(id));
  emit(id, layer, {patches}, y);
  program_.value[id] = {y.buffer, 0, s, channels_last(s)};
}

void Lowering::attention(NodeId id, const op::Sdpa& o) {
  if (o.dropout > 0) refuse(id);
  if (o.sinks) return reference(id);
  std::vector<View> in;
  for (std::size_t i = 0; i < 3; ++i) {
    auto x = with_heads(input(id, i));
    if (!x) return reference(id);
    if (!unit_last(*x) || dtype_of(*x) != compute_) *x = repacked(id, *x, compute_);
    in.push_back(*x);
  }
  const auto& q = in[0].shape;
  const Shape shape{q[0], q[1], q[2], in[2].shape[3]};
  if (q[1] % in[1].shape[1] != 0) return reference(id);
  if (o.bias) {
    auto bias = broadcast_to(input(id, 3), {q[0], q[1], q[2], in[1].shape[2]});
    if (!unit_last(bias) || dtype_of(bias) != DType::f32) bias = repacked(id, bias, DType::f32);
    in.push_back(bias);
  }
  // In memory [batch, tokens, heads, features], so that merging the heads is a view.
  const auto t = contiguous_strides({shape[0], shape[2], shape[1], shape[3]});
  const auto out = fresh(shape, Strides{t[0], t[2], t[1], t[3]}, result_type(id));
  emit(id, step::Attention{o.scale, o.causal}, std::move(in), out);
  auto& value = program_.value[id] = out;
  if (node(id).shape.rank() == 3) {
    value.shape = node(id).shape;
    value.strides = {t[0], t[1], t[3]};
  }
}

void Lowering::binary(NodeId id, const op::Binary& o) {
  const bool sum = o.kind == op::BinaryKind::add || o.kind == op::BinaryKind::sub;
  if ((!sum && o.kind != op::BinaryKind::mul) || node(id).shape.empty()) return reference(id);
  step::Binary s;
  s.op = o.kind == op::BinaryKind::mul ? BinaryOp::kMul : BinaryOp::kAdd;
  auto a = input(id, 0);
  auto b = input(id, 1);
  if (const auto gated = fusion_.gated.find(id); gated != fusion_.gated.end()) {
    s.activation = *kernel_activation(std::get<op::Unary>(node(gated->second).op).kind);
    if (node(id).inputs[0] != gated->second) std::swap(a, b);
    a = input(gated->second, 0);
  }
  if (o.kind == op::BinaryKind::sub) {
    if (b.shape.empty()) b = broadcast_to(b, {1});
    const auto copy = repacked(id, b, dtype_of(b));
    const auto negative = dense(b.shape, dtype_of(b));
    emit(id, step::Unary{Activation::kIdentity, -1.0}, {copy}, negative, {0});
    b = negative;
  }
  auto [in, out] = rowwise(id, {a, b}, result_type(id));
  program_.value[id] = out;
  emit(id, s, std::move(in), out, {0, 1});
}

void Lowering::norm(NodeId id, double eps, bool center) {
  const auto [weight, bias] = node(id).params;
  const auto fits = [&](ParamId p) {
    return p == kNone || graph_.params[p].shape == Shape{node(id).shape.at(-1)};
  };
  if (!fits(weight) || !fits(bias)) return reference(id);  // a row of factors for every head
  unary(id, step::Norm{weight, bias, eps, center});
}

void Lowering::unary(NodeId id, const StepKind& kind) {
  if (node(id).shape.empty()) return reference(id);
  auto [in, out] = rowwise(id, {input(id, 0)}, result_type(id));
  program_.value[id] = out;
  emit(id, kind, std::move(in), out, {0});
}

void Lowering::concat(NodeId id, const op::Concat& o) {
  const auto out = dense(node(id).shape, result_type(id));
  const auto axis = out.shape.index(o.axis);
  auto part = out;
  for (std::size_t i = 0; i < node(id).inputs.size(); ++i) {
    const auto& x = input(id, i);
    part.shape = x.shape;
    emit(id, step::Copy{}, {x}, part);
    part.offset += x.shape[axis] * out.strides[axis];
  }
  program_.value[id] = out;
}

// What stood at i comes to stand at i + shift: each axis falls into two pieces.
void Lowering::roll(NodeId id, const op::Roll& o) {
  const auto& x = input(id, 0);
  const auto out = dense(x.shape, result_type(id));
  const auto pieces = [&](const View& from, const View& to, std::size_t axis, std::int64_t by,
                          auto&& next) {
    const auto n = static_cast<std::int64_t>(x.shape[axis]);
    const auto shift = static_cast<std::uint64_t>((by % n + n) % n);
    const auto piece = [&](std::uint64_t begin, std::uint64_t target, std::uint64_t length) {
      if (length == 0) return;
      auto a = from;
      auto b = to;
      a.offset += begin * a.strides[axis];
      b.offset += target * b.strides[axis];
      a.shape[axis] = b.shape[axis] = length;
      next(a, b);
    };
    piece(0, shift, x.shape[axis] - shift);
    piece(x.shape[axis] - shift, 0, shift);
  };
  const auto axis0 = x.shape.index(o.axis0);
  const auto axis1 = x.shape.index(o.axis1);
  pieces(x, out, axis0, o.shift[0], [&](const View& a, const View& b) {
    pieces(a, b, axis1, o.shift[1],
           [&](const View& from, const View& to) { emit(id, step::Copy{}, {from}, to); });
  });
  program_.value[id] = out;
}

void Lowering::reduce(NodeId id, const op::Reduce& o) {
  const bool plain = o.kind == op::ReduceKind::mean || o.kind == op::ReduceKind::sum ||
                     o.kind == op::ReduceKind::max;
  if (!plain || !o.more.empty()) return reference(id);
  auto x = input(id, 0);
  const auto axis = x.shape.index(o.axis);
  const bool last = axis + 1 == x.shape.rank();
  const auto columns = last ? 1 : x.shape.at(-1);
  const auto groups = numel(x.shape).value() / x.shape[axis] / columns;
  // The dimensions beside the axis and the columns must fold into one.
  const auto folded = [&]() -> std::optional<View> {
    Dims shape;
    Dims strides;
    for (std::size_t i = 0; i + (last ? 0 : 1) < x.shape.rank(); ++i) {
      if (i == axis) continue;
      shape.push_back(x.shape[i]);
      strides.push_back(x.strides[i]);
    }
    const auto one = view_strides(shape, strides, {groups});
    if (!one || (!last && !unit_last(x))) return std::nullopt;
    return View{
        x.buffer, x.offset, {groups, x.shape[axis], columns}, {(*one)[0], x.strides[axis], 1}};
  };
  auto view = folded();
  if (!view) {
    x = repacked(id, x, dtype_of(x));
    view = folded();
  }
  const auto y = dense({groups, columns}, result_type(id));
  emit(id, step::Reduce{o.kind}, {*view}, y);
  program_.value[id] = {y.buffer, 0, node(id).shape, contiguous_strides(node(id).shape)};
}

void Lowering::matmul(NodeId id) {
  const auto& shape = node(id).shape;
  const auto operand = [&](std::size_t i, std::uint64_t rows, std::uint64_t columns) {
    auto x = input(id, i);
    if (dtype_of(x) != DType::f32 || (i == 0 && !unit_last(x))) x = repacked(id, x, DType::f32);
    auto wide = shape;
    wide[shape.rank() - 2] = rows;
    wide[shape.rank() - 1] = columns;
    return broadcast_to(x, wide);
  };
  const auto depth = input(id, 0).shape.at(-1);
  const auto a = operand(0, shape.at(-2), depth);
  const auto b = operand(1, depth, shape.at(-1));
  program_.value[id] = dense(shape, result_type(id));
  emit(id, step::MatMul{}, {a, b}, program_.value[id]);
}

void Lowering::rope(NodeId id, const op::Rope& o) {
  auto shape = node(id).shape;
  if (shape.rank() > 5) return reference(id);  // more leading dimensions than the kernel has
  auto [in, out] = rowwise(id, {input(id, 0)}, result_type(id));
  auto table = input(id, 1);
  shape[shape.rank() - 1] = 2 * o.dim;
  table = broadcast_to(table, shape);
  if (!unit_last(table) || dtype_of(table) != DType::f32) table = repacked(id, table, DType::f32);
  in.push_back(table);
  program_.value[id] = out;
  emit(id, step::Rope{o.dim, o.half}, std::move(in), out);
}

void Lowering::lookup(NodeId id, const op::Embedding& o) {
  const auto& ids = input(id, 0);
  if (dtype_of(ids) != DType::i64 || !is_contiguous(ids.shape, ids.strides)) refuse(id);
  const auto out = dense(node(id).shape, result_type(id));
  program_.value[id] = out;
  emit(id, step::Lookup{node(id).params[0], o.rows}, {ids}, out);
}

void Lowering::reference(NodeId id) {
  std::vector<View> in;
  for (std::size_t i = 0; i < node(id).inputs.size(); ++i) {
    const auto& x = input(id, i);
    in.push_back(dtype_of(x) == DType::f32 ? x : repacked(id, x, DType::f32));
  }
  program_.value[id] = dense(node(id).shape, DType::f32);
  emit(id, step::Reference{}, std::move(in), program_.value[id]);
}

}  // namespace vitals
