#include "graph/infer_rules.h"
#include "graph/op_traits.h"

namespace vitals::shape_rules {

Output infer_op(const op::Input& o, Inputs) { return dense(o.shape, o.dtype); }
Output infer_op(const op::Parameter& o, Inputs) { return dense(o.shape, DType::f32); }
Output infer_op(const op::Constant& o, Inputs) { return dense(o.shape, o.dtype); }

Output infer_op(const op::Opaque& o, Inputs) { return dense(o.shape, o.dtype); }
Output infer_op(const op::SideOutput& o, Inputs) { return dense(o.shape, o.dtype); }

Output infer_op(const op::Binary& o, Inputs in) {
  const auto shape = broadcast(in[0]->shape, in[1]->shape);
  if (!shape)
    fail("[{}] shapes {} and {} do not broadcast", name_of(Op{o}), to_string(in[0]->shape),
         to_string(in[1]->shape));
  const bool truth = traits(o.kind).boolean;
  for (const auto* x : in)
    if (x->shape == *shape)
      return {*shape, elementwise_strides(*shape, x->strides), truth ? DType::boolean : x->dtype};
  return dense(*shape, truth ? DType::boolean : in[0]->dtype);
}

Output infer_op(const op::Unary& o, Inputs in) {
  auto out = like(*in[0]);
  if (traits(o.kind).boolean) out.dtype = DType::boolean;
  return out;
}

Output infer_op(const op::Where&, Inputs in) {
  const auto values = broadcast(in[1]->shape, in[2]->shape);
  const auto shape = values ? broadcast(in[0]->shape, *values) : std::nullopt;
  if (!shape)
    fail("[where] shapes {}, {} and {} do not broadcast", to_string(in[0]->shape),
         to_string(in[1]->shape), to_string(in[2]->shape));
  return dense(*shape, in[1]->dtype);
}

Output infer_op(const op::Cast& o, Inputs in) {
  auto out = like(*in[0]);
  out.dtype = o.dtype;
  return out;
}

Output infer_op(const op::MaskedFill&, Inputs in) {
  const auto shape = broadcast(in[0]->shape, in[1]->shape);
  if (!shape || !(*shape == in[0]->shape))
    fail("[masked_fill] the mask {} does not fit {}", to_string(in[1]->shape),
         to_string(in[0]->shape));
  return like(*in[0]);
}

Output infer_op(const op::Scale&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::Softmax&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::LayerNorm&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }
Output infer_op(const op::RmsNorm&, Inputs in) { return like(*in[0]); }

Output infer_op(const op::GlobalResponseNorm&, Inputs in) {
  if (in[0]->shape.rank() < 3)
    fail("[global_response_norm] input {} is not [batch, ..., channels]", to_string(in[0]->shape));
  return like(*in[0]);
}

// [B, C, ...] in whatever layout it has, as convolutions leave it.
Output infer_op(const op::BatchNorm&, Inputs in) {
  if (in[0]->shape.rank() < 2)
    fail("[batch_norm] input {} is not [batch, channels, ...]", to_string(in[0]->shape));
  return like(*in[0]);
}

Output infer_op(const op::GroupNorm& o, Inputs in) {
  const auto& x = in[0]->shape;
  if (x.rank() < 2 || o.groups == 0 || x[1] % o.groups != 0)
    fail("[{}] the channels of {} do not fall into {} groups", name_of(Op{o}), to_string(x),
         o.groups);
  return like(*in[0]);
}

Output infer_op(const op::LocalResponseNorm&, Inputs in) {
  if (in[0]->shape.rank() < 3)
    fail("[local_response_norm] input {} is not [batch, channels, ...]", to_string(in[0]->shape));
  return like(*in[0]);
}

Output infer_op(const op::Dropout&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::DropPath&, Inputs in) { return like(*in[0]); }
Output infer_op(const op::Rope&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }

}  // namespace vitals::shape_rules
