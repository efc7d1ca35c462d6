#include "memory/simulator/aten.h"

namespace vitals::eager {

Tensor Aten::softmax(Tensor x) {
  // On CUDA autocast runs softmax in fp32; the kernel reads fp16 directly, other types are cast.
  const bool half_to_float = autocast_ && !on_cpu() && x->dtype == DType::f16;
  if (!half_to_float) x = upper(x);
  const auto in_dtype = x->dtype;
  const auto dense = raw_contiguous(x);
  auto y =
      tape_.empty(eager::contiguous(x->shape, half_to_float ? DType::f32 : x->dtype, x->split));
  return tape_.record(y, {x}, {y}, [this, in_dtype](Tensors& g, Tensors& saved) {
    const auto gradient = raw_contiguous(g[0]);
    return Tensors{tape_.empty(eager::contiguous(saved[0]->shape, in_dtype, saved[0]->split))};
  });
}

Tensor Aten::layer_norm(Tensor x, Tensor weight, Tensor bias) {
  bias = upper(bias);
  weight = upper(weight);
  x = upper(x);
  auto dense = raw_contiguous(x);
  auto y = fresh(x->shape, x);
  auto rows = x->shape;
  const auto features = rows.at(-1);
  rows[rows.rank() - 1] = 1;
  const auto statistics = eager::contiguous(rows, DType::f32, x->split);
  auto mean = tape_.empty(statistics);
  auto rstd = tape_.empty(statistics);
  dense = nullptr;
  // native_layer_norm_backward makes what its output mask asks for.
  const bool for_x = needs(x);
  const bool for_weight = needs(weight);
  const bool for_bias = needs(bias);
  const auto vector = eager::contiguous({features}, weight ? weight->dtype : x->dtype);
  return tape_.record(
      y, {x, weight, bias}, {x, mean, rstd, weight},
      [this, for_x, for_weight, for_bias, vector](Tensors& g, Tensors& saved) {
        const auto input = raw_contiguous(saved[0]);
        const auto gradient = raw_contiguous(g[0]);
        Tensors out(3);
        if (for_x) out[0] = fresh(input->shape, input);
        if (for_weight) out[1] = tape_.empty(vector);
        if (for_bias) out[2] = tape_.empty(vector);
        const auto partial =
            on_cpu() && (for_weight || for_bias)
                ? tape_.empty(
                      eager::contiguous({2, settings_.cpu_threads, vector.shape[0]}, DType::f32),
                      Kind::workspace)
                : nullptr;
        return out;
      });
}

// As LLaMA's reference code runs it: in fp32, x * rsqrt(mean(x^2) + eps), cast back, times weight
// (Zhang and Sennrich 2019, arXiv:1910.07467).
Tensor Aten::rms_norm(const Tensor& input, const Tensor& weight) {
  const auto x = to(input, DType::f32);
  auto rows = x->shape;
  rows[rows.rank() - 1] = 1;
  const auto keeps_input = [this](const Tensor& in, const Shape& shape) {
    auto y = fresh(shape, in);
    return tape_.record(y, {in}, {in}, [this](Tensors& g, Tensors& saved) {
      return Tensors{pointwise({g[0], saved[0]}, saved[0]->dtype)};
    });
  };
  auto normed = [&] {
    const auto variance = [&] {
      const auto square = keeps_input(x, x->shape);
      return reduce(op::ReduceKind::mean, square, rows);
    }();
    const auto shifted = tape_.record(fresh(rows, x), {variance}, {},
                                      [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
    return mul(x, activation(shifted, Keeps::output));
  }();
  normed = to(normed, input->dtype);
  return weight ? mul(weight, normed) : normed;
}

// One kernel that keeps its input as it came and the reciprocal deviation of each row, and writes
// the gradient into the one that it got (unsloth's Fast_RMS_Layernorm; Liger's is alike). The
// weight has no gradient there.
Tensor Aten::fused_rms_norm(const Tensor& input, const Tensor& weight) {
  const auto x = raw_contiguous(input);
  auto y = fresh(x->shape, x);
  auto rows = x->shape;
  rows[rows.rank() - 1] = 1;
  const auto deviations = tape_.empty(eager::contiguous(rows, DType::f32, x->split));
  return tape_.record(y, {input}, {x, weight, deviations},
                      [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
}

// timm's GlobalResponseNorm: the norm over the positions (in fp32 under CUDA's autocast), divided
// by its mean over the channels, times x; then x + addcmul(bias, weight, .).
Tensor Aten::global_response_norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Shape channels = x->shape;
  for (std::size_t d = 1; d + 1 < channels.rank(); ++d) channels[d] = 1;
  Shape one = channels;
  one[one.rank() - 1] = 1;
  const auto dtype = autocast_ && !on_cpu() ? DType::f32 : x->dtype;
  auto response = tape_.empty(eager::contiguous(channels, dtype, x->split));
  tape_.record(response, {x}, {x, response}, [this](Tensors& g, Tensors& saved) {
    const auto ratio = pointwise({g[0], saved[1]}, saved[1]->dtype);
    return Tensors{pointwise({saved[0], ratio}, ratio->dtype)};
  });
  const auto ratio = [&] {
    const auto mean = reduce(op::ReduceKind::mean, response, one);
    const auto shifted = tape_.record(fresh(one, mean), {mean}, {},
                                      [](Tensors& g, Tensors&) { return Tensors{g[0]}; });
    return div(response, shifted);
  }();
  return add(x, addcmul(bias, weight, mul(x, ratio)));
}

// CUDA's autocast lets a sum read the low type and write fp32.
Tensor Aten::reduce(op::ReduceKind kind, const Tensor& x, const Shape& output) {
  const auto row = traits(kind);
  const bool wide = row.wide && autocast_ && !on_cpu() && is_floating(x->dtype);
  auto y = wide ? tape_.empty(eager::contiguous(output, DType::f32, x->split)) : fresh(output, x);
  const auto meta = eager::contiguous(x->shape, x->dtype, x->split);
  // max and its kin keep what they read and their result; mean and sum keep sizes alone.
  Tensors saved;
  if (row.saves == Saves::inputs) saved = {x, y};
  return tape_.record(y, {x}, std::move(saved),
                      [this, meta](Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
}

Tensor Aten::concat(Tensors xs, const Shape& output) {
  bool wide = false;
  for (const auto& x : xs) wide |= x->dtype == DType::f32;
  if (autocast_ && wide)
    for (auto& x : xs) x = to(x, DType::f32);  // promoted to the widest
  std::uint64_t split = 1;
  for (const auto& x : xs) split = std::max(split, x->split);
  auto y = tape_.empty(eager::contiguous(output, xs[0]->dtype, split));
  std::vector<Shape> shapes;
  for (const auto& x : xs) shapes.push_back(x->shape);
  return tape_.record(y, xs, {}, [shapes](Tensors& g, Tensors&) {
    Tensors out;
    for (const auto& shape : shapes) out.push_back(Tape::view(g[0], shape, g[0]->strides));
    return out;
  });
}

Tensor Aten::roll(const Tensor& x) {
  return tape_.record(fresh(x->shape, x), {x}, {},
                      [this](Tensors& g, Tensors&) { return Tensors{fresh(g[0]->shape, g[0])}; });
}

Tensor Aten::embedding(const Tensor& ids, const Tensor& table, const Shape& output) {
  const Meta meta = *table;
  return tape_.record(tape_.empty(eager::contiguous(output, table->dtype)), {table, ids}, {ids},
                      [this, meta](Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
}

Tensor Aten::gather(const Tensor& table, const Shape& output) {
  const auto meta = eager::contiguous(table->shape, table->dtype, table->split);
  return tape_.record(fresh(output, table), {table}, {},
                      [this, meta](Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
}

Tensor Aten::topk(const Tensor& x, const Shape& output) {
  auto values = fresh(output, x);
  auto places = tape_.empty(eager::contiguous(output, DType::i64, x->split));
  return tape_.record(values, {x}, {places},
                      [this, meta = eager::contiguous(x->shape, x->dtype, x->split)](
                          Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
}

// log_softmax keeps its output; nll_loss keeps that, the targets and the total weight.
Tensor Aten::cross_entropy(Tensor logits, const Tensor& targets) {
  logits = upper(logits);
  if (logits->shape.rank() > 2) {
    const auto classes = logits->shape.at(-1);
    logits = reshape(logits, {(numel(logits->shape) / classes).value(), classes});
  }
  const auto dense = raw_contiguous(logits);
  const auto meta = eager::contiguous(logits->shape, logits->dtype, logits->split);
  auto log_probabilities = tape_.empty(meta);
  log_probabilities = tape_.record(log_probabilities, {logits}, {log_probabilities},
                                   [this, meta](Tensors& g, Tensors&) {
                                     const auto gradient = raw_contiguous(g[0]);
                                     return Tensors{tape_.empty(meta)};
                                   });
  auto loss = scalar(meta.dtype, Kind::activation);
  auto total_weight = scalar(meta.dtype, Kind::activation);
  return tape_.record(loss, {log_probabilities}, {log_probabilities, targets, total_weight},
                      [this, meta](Tensors&, Tensors&) { return Tensors{tape_.empty(meta)}; });
}

}  // namespace vitals::eager
