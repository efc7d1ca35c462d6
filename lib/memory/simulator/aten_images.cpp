// What convolutional and recurrent networks add: norms over channels, pools, layers over time, and
// elements by an index.
#include "memory/simulator/aten.h"

namespace vitals::eager {

Tensor Aten::where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  auto y = pointwise({condition, a, b}, is_floating(a->dtype) ? a->dtype : b->dtype);
  return tape_.record(y, {condition, a, b}, {condition},
                      [this, for_a = needs(a), for_b = needs(b)](Tensors& g, Tensors&) {
                        Tensors out(3);
                        if (for_a) out[1] = pointwise({g[0]}, g[0]->dtype);
                        if (for_b) out[2] = pointwise({g[0]}, g[0]->dtype);
                        return out;
                      });
}

// native_batch_norm: in training the batch's mean and 1 / deviation are results of their own; in
// evaluation the running statistics are kept, which are buffers.
Tensor Aten::batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensors& running) {
  auto y = fresh(x->shape, x);
  Tensors saved{x, weight};
  const auto vector = eager::contiguous({x->shape[1]}, DType::f32);
  if (running.empty()) {
    saved.push_back(tape_.empty(vector));
    saved.push_back(tape_.empty(vector));
  } else {
    saved.insert(saved.end(), running.begin(), running.end());
  }
  const auto meta = weight ? eager::contiguous(weight->shape, weight->dtype) : vector;
  return tape_.record(y, {x, weight, bias}, std::move(saved),
                      [this, meta, for_x = needs(x), for_weight = needs(weight),
                       for_bias = needs(bias)](Tensors& g, Tensors& kept) {
                        const auto gradient =
                            raw_images(g[0], is_channels_last(kept[0]->shape, kept[0]->strides));
                        Tensors out(3);
                        if (for_x) out[0] = fresh(kept[0]->shape, kept[0]);
                        if (for_weight) out[1] = tape_.empty(meta);
                        if (for_bias) out[2] = tape_.empty(meta);
                        return out;
                      });
}

// native_group_norm on contiguous images; instance_norm is a batch norm over [1, B C, ...] with
// weights repeated for every sample.
Tensor Aten::group_norm(Tensor x, Tensor weight, Tensor bias, std::uint64_t statistics,
                        bool instance) {
  if (!instance) {
    weight = upper(weight);
    bias = upper(bias);
    x = upper(x);
  }
  const auto dense = raw_contiguous(x);
  const auto vector = eager::contiguous({statistics}, DType::f32);
  auto y = fresh(x->shape, x);
  const auto mean = tape_.empty(vector);
  const auto deviation = tape_.empty(vector);
  const auto repeated = instance && weight ? tape_.empty(vector) : weight;
  const auto meta = weight ? Meta(*weight) : vector;
  return tape_.record(y, {x, weight, bias}, {dense, repeated, mean, deviation},
                      [this, meta, for_x = needs(x), for_weight = needs(weight),
                       for_bias = needs(bias)](Tensors& g, Tensors& kept) {
                        const auto gradient = raw_contiguous(g[0]);
                        Tensors out(3);
                        if (for_x) out[0] = fresh(kept[0]->shape, kept[0]);
                        if (for_weight) out[1] = tape_.empty(meta);
                        if (for_bias) out[2] = tape_.empty(meta);
                        return out;
                      });
}

Tensor Aten::pool(const Tensor& x, const Meta& output, bool keeps_input, bool keeps_places) {
  auto meta = output;
  meta.dtype = x->dtype;
  meta.split = x->split;
  auto y = tape_.empty(meta);
  Tensor places;
  if (keeps_places) places = tape_.empty({output.shape, output.strides, DType::i64, x->split});
  const Meta whole{x->shape, elementwise_strides(x->shape, x->strides), x->dtype, x->split};
  return tape_.record(y, {x}, {keeps_input ? x : nullptr, places},
                      [this, whole](Tensors&, Tensors&) { return Tensors{tape_.empty(whole)}; });
}

Tensor Aten::take(const Tensor& x, const Tensor& index, const Shape& output) {
  const auto meta = eager::contiguous(x->shape, x->dtype, x->split);
  return tape_.record(fresh(output, x), {x, index}, {index}, [this, meta](Tensors&, Tensors&) {
    return Tensors{tape_.empty(meta), nullptr};
  });
}

Tensor Aten::scatter_into(const Tensor& x, const Tensor& index, const Tensor& updates) {
  auto y = fresh(x->shape, x);
  const auto meta = eager::contiguous(updates->shape, x->dtype, x->split);
  return tape_.record(
      y, {x, index, updates}, {index},
      [this, meta, for_x = needs(x), for_updates = needs(updates)](Tensors& g, Tensors&) {
        Tensors out(3);
        if (for_x) out[0] = fresh(g[0]->shape, g[0]);
        if (for_updates) out[2] = tape_.empty(meta);
        return out;
      });
}

Tensor Aten::recurrent(Tensors operands, const Shape& output, std::uint64_t kept) {
  for (auto& x : operands) x = lower(x);
  const auto& x = operands[0];
  auto y = fresh(output, x);
  auto states = output;
  states[states.rank() - 1] = (Count(states.at(-1)) * kept).value();
  auto saved = operands;
  saved.push_back(tape_.empty(eager::contiguous(states, x->dtype, x->split)));
  std::vector<std::optional<Meta>> gradients;
  for (const auto& operand : operands)
    gradients.push_back(needs(operand) ? std::optional<Meta>(eager::contiguous(
                                             operand->shape, operand->dtype, operand->split))
                                       : std::nullopt);
  return tape_.record(y, operands, std::move(saved), [this, gradients](Tensors&, Tensors&) {
    Tensors out;
    for (const auto& gradient : gradients)
      out.push_back(gradient ? tape_.empty(*gradient) : nullptr);
    return out;
  });
}

}  // namespace vitals::eager
