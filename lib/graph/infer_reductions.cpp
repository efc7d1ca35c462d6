#include "graph/infer_rules.h"

namespace vitals::shape_rules {

namespace {

// The shape without the axes, or with one element along them.
Shape reduced(const Shape& x, int axis, const Dims& more, bool keep) {
  std::array<bool, kMaxRank> gone{};
  gone[x.index(axis)] = true;
  for (auto other : more) {
    if (other >= x.rank()) fail("[reduce] axis {} is outside of {}", other, to_string(x));
    gone[other] = true;
  }
  Shape shape;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    if (!gone[i])
      shape.push_back(x[i]);
    else if (keep)
      shape.push_back(1);
  }
  return shape;
}

}  // namespace

Output infer_op(const op::TopK& o, Inputs in) {
  Shape shape = in[0]->shape;
  if (shape.empty() || shape.at(o.axis) < o.k)
    fail("[topk] {} of {} cannot be chosen", o.k, to_string(shape));
  shape[shape.index(o.axis)] = o.k;
  return dense(shape, in[0]->dtype);
}

Output infer_op(const op::Reduce& o, Inputs in) {
  return dense(reduced(in[0]->shape, o.axis, o.more, o.keep), in[0]->dtype);
}

Output infer_op(const op::ArgReduce& o, Inputs in) {
  return dense(reduced(in[0]->shape, o.axis, {}, o.keep), DType::i64);
}

Output infer_op(const op::Cumulative&, Inputs in) { return dense(in[0]->shape, in[0]->dtype); }

}  // namespace vitals::shape_rules
