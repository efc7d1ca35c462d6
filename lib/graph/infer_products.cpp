#include "graph/infer_rules.h"

namespace vitals::shape_rules {

Output infer_op(const op::Linear& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (shape.empty() || shape.at(-1) != o.in)
    fail("[linear] input {} does not end in {} features", to_string(shape), o.in);
  shape[shape.rank() - 1] = o.out;
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::ExpertLinear& o, Inputs in) {
  const auto& x = in[0]->shape;
  const auto& choice = in[1]->shape;
  const bool rows_fit = choice.rank() == 2 && choice[1] == o.active && !x.empty() &&
                        x[0] == choice[0] && x.at(-1) == o.in;
  if (!rows_fit || (x.rank() != 2 && !(x.rank() == 3 && x[1] == o.active)))
    fail("[expert_linear] input {} and choice {} do not fit {} of {} experts of {} features",
         to_string(x), to_string(choice), o.active, o.experts, o.in);
  return dense({choice[0], o.active, o.out}, in[0]->dtype);
}

namespace {

Shape batch_dims(const Shape& shape) {
  Shape batch;
  for (std::size_t i = 0; i + 2 < shape.rank(); ++i) batch.push_back(shape[i]);
  return batch;
}

}  // namespace

Output infer_op(const op::MatMul&, Inputs in) {
  const auto& a = in[0]->shape;
  const auto& b = in[1]->shape;
  if (a.rank() < 2 || b.rank() < 2 || a.at(-1) != b.at(-2))
    fail("[matmul] shapes {} and {} do not fit", to_string(a), to_string(b));
  auto shape = broadcast(batch_dims(a), batch_dims(b));
  if (!shape) fail("[matmul] shapes {} and {} do not broadcast", to_string(a), to_string(b));
  shape->push_back(a.at(-2));
  shape->push_back(b.at(-1));
  return dense(*shape, in[0]->dtype);
}

Output infer_op(const op::Sdpa&, Inputs in) {
  const auto& q = in[0]->shape;
  const auto& k = in[1]->shape;
  const auto& v = in[2]->shape;
  if (q.at(-1) != k.at(-1) || k.at(-2) != v.at(-2))
    fail("[scaled_dot_product_attention] shapes {}, {} and {} do not fit", to_string(q),
         to_string(k), to_string(v));
  Shape shape = q;
  shape[shape.rank() - 1] = v.at(-1);
  // The fused kernels write [batch, tokens, heads, dim] and hand out the transposed view.
  Output out = dense(shape, in[0]->dtype);
  if (shape.rank() == 4) {
    const auto t = contiguous_strides({shape[0], shape[2], shape[1], shape[3]});
    out.strides = Strides{t[0], t[2], t[1], t[3]};
  }
  return out;
}

Output infer_op(const op::Recurrent& o, Inputs in) {
  const auto& x = in[0]->shape;
  if (x.rank() != 3 || x[2] != o.in)
    fail("[{}] input {} is not [{}, {}]", name_of(Op{o}), to_string(x),
         o.batch_first ? "batch, tokens" : "tokens, batch", o.in);
  const std::uint64_t directions = o.directions;
  if (o.directions_apart) return dense({x[0], directions, x[1], o.hidden}, in[0]->dtype);
  return dense({x[0], x[1], (Count(directions) * o.hidden).value()}, in[0]->dtype);
}

Output infer_op(const op::LinearRecurrence& o, Inputs in) {
  const auto fits = [&](std::size_t inputs, std::size_t rank) {
    if (in.size() < inputs || in[0]->shape.rank() != rank)
      fail("[{}] takes {} inputs or more, the first of {} dimensions", name_of(Op{o}), inputs,
           rank);
  };
  switch (o.kind) {
    case op::RecurrenceKind::selective_scan:
      fits(5, 3);
      return dense(in[0]->shape, in[0]->dtype);
    case op::RecurrenceKind::ssd:
      fits(5, 4);
      return dense(in[0]->shape, in[0]->dtype);
    case op::RecurrenceKind::linear_attention:
    case op::RecurrenceKind::gated_delta:
      fits(3, 4);
      return dense(in[2]->shape, in[2]->dtype);
  }
  return {};
}

}  // namespace vitals::shape_rules
