#include "memory/simulator/aten.h"

#include <algorithm>
#include <array>
#include <optional>

namespace vitals::eager {
namespace {

Tensor transposed(const Tensor& x) {
  auto shape = x->shape;
  auto strides = x->strides;
  const auto n = shape.rank();
  std::swap(shape[n - 1], shape[n - 2]);
  std::swap(strides[n - 1], strides[n - 2]);
  return Tape::view(x, shape, strides);
}

bool is_column_major(const Meta& matrix) {
  return matrix.strides[0] == 1 && matrix.strides[1] == matrix.shape[0];
}

Shape leading(const Shape& shape, std::size_t drop) {
  Shape result;
  for (std::size_t i = 0; i + drop < shape.rank(); ++i) result.push_back(shape[i]);
  return result;
}

Shape with(Shape shape, std::initializer_list<std::uint64_t> more) {
  for (auto d : more) shape.push_back(d);
  return shape;
}

}  // namespace

// BLAS wants one unit stride in the last two dimensions and a leading dimension that is large
// enough; anything else is copied for the call.
Tensor Aten::gemm_operand(const Tensor& x) {
  const auto rows = x->shape.at(-2);
  const auto columns = x->shape.at(-1);
  const auto row_step = x->strides.at(-2);
  const auto column_step = x->strides.at(-1);
  const bool row_major = column_step == 1 && row_step >= std::max<std::uint64_t>(1, columns);
  const bool column_major = row_step == 1 && column_step >= std::max<std::uint64_t>(1, rows);
  if (row_major || column_major) return x;
  return tape_.empty(eager::contiguous(x->shape, x->dtype, x->split), Kind::workspace);
}

Tensor Aten::gemm(const Tensor& a, const Tensor& b, std::uint64_t split) {
  const auto left = gemm_operand(a);
  const auto right = gemm_operand(b);
  auto shape = a->shape;
  shape[shape.rank() - 1] = b->shape.at(-1);
  return tape_.empty(eager::contiguous(shape, a->dtype, split));
}

// mm_mat2_backward and mm_mat1_backward: the result takes the layout of what it is the gradient of.
Tensor Aten::weight_gradient(const Tensor& x, const Tensor& g, const Meta& weight) {
  if (is_column_major(weight)) return transposed(gemm(transposed(g), x, weight.split));
  return gemm(transposed(x), g, weight.split);
}

Tensor Aten::input_gradient(const Tensor& g, const Tensor& weight, const Meta& x) {
  if (is_column_major(x)) return transposed(gemm(weight, transposed(g), x.split));
  return gemm(g, transposed(weight), x.split);
}

Tensor Aten::addmm(const Tensor& bias, const Tensor& x, const Tensor& weight, std::uint64_t split) {
  auto y = gemm(x, weight, split);
  const bool for_x = needs(x);
  const bool for_weight = needs(weight);
  const Meta x_meta = *x;
  const Meta weight_meta = *weight;
  return tape_.record(y, {bias, x, weight}, {for_weight ? x : nullptr, for_x ? weight : nullptr},
                      [this, for_x, for_weight, x_meta, weight_meta, gathered = gathered_](
                          Tensors& g, Tensors& saved) {
                        const auto whole_again = tape_.memory().allocate(gathered, Kind::workspace);
                        Tensors out(3);
                        out[0] = g[0];
                        if (for_x) out[1] = input_gradient(g[0], saved[1], x_meta);
                        if (for_weight) out[2] = weight_gradient(saved[0], g[0], weight_meta);
                        return out;
                      });
}

Tensor Aten::bmm(const Tensor& a, const Tensor& b) {
  const auto split = std::max(a->split, b->split);
  auto y = gemm(a, b, split);
  const bool for_a = needs(a);
  const bool for_b = needs(b);
  return tape_.record(
      y, {a, b}, {for_b ? a : nullptr, for_a ? b : nullptr},
      [this, for_a, for_b, a_split = a->split, b_split = b->split](Tensors& g, Tensors& saved) {
        Tensors out(2);
        if (for_b) out[1] = gemm(transposed(saved[0]), g[0], b_split);
        if (for_a) out[0] = gemm(g[0], transposed(saved[1]), a_split);
        return out;
      });
}

// at::matmul: folds to one matrix product where it can, else to a batched one.
Tensor Aten::product(const Tensor& a, const Tensor& b, std::uint64_t split) {
  const auto a_rank = a->shape.rank();
  const auto b_rank = b->shape.rank();
  if (a_rank == 2 && b_rank == 2) return addmm(nullptr, a, b, split);
  const bool transposed_inside = a_rank == 3 && b_rank == 2 && a->strides.at(-1) != 1 &&
                                 a->strides[0] == a->shape[1] * a->shape[2];
  if (b_rank == 2 && !transposed_inside) {
    const auto rows = numel(leading(a->shape, 1)).value();
    const auto y = addmm(nullptr, reshape(a, {rows, a->shape.at(-1)}), b, split);
    return view_as(y, with(leading(a->shape, 1), {b->shape[1]}));
  }
  if (a_rank == 2) {
    Dims order;
    for (std::size_t i = 0; i < b_rank; ++i) order.push_back(i);
    std::swap(order[b_rank - 1], order[b_rank - 2]);
    return permute(product(permute(b, order), permute(a, {1, 0}), split), order);
  }
  const auto batch = broadcast(leading(a->shape, 2), leading(b->shape, 2)).value_or(Shape{});
  const auto count = numel(batch).value();
  const auto folded = [&](const Tensor& x) {
    const auto rows = x->shape.at(-2);
    const auto columns = x->shape.at(-1);
    return reshape(expand(x, with(batch, {rows, columns})), {count, rows, columns});
  };
  const auto left = folded(a);
  const auto right = folded(b);
  return view_as(bmm(left, right), with(batch, {a->shape.at(-2), b->shape.at(-1)}));
}

Tensor Aten::matmul(Tensor a, Tensor b) {
  b = lower(b);  // arguments are cast from right to left
  a = lower(a);
  const auto split = std::max(a->split, b->split);
  return product(a, b, split);
}

// In place: the same storage under a new handle.
Tensor Aten::add_bias(const Tensor& y, const Tensor& bias) {
  auto out = Tape::view(y, y->shape, y->strides);
  out->node = y->node;
  out->output = y->output;
  return tape_.record(out, {y, bias}, {}, [](Tensors& g, Tensors&) { return Tensors{g[0], g[0]}; });
}

StoragePtr Aten::whole(const Shape& shape, DType dtype) {
  return tape_.memory().allocate(bytes_of(eager::contiguous(shape, dtype)), Kind::workspace);
}

Tensor Aten::scatter(const Tensor& x, std::uint64_t ranks) {
  const auto old = eager::contiguous(x->shape, x->dtype, x->split);
  auto meta = old;
  meta.split = ranks;
  return tape_.record(tape_.empty(meta), {x}, {},
                      [this, old](Tensors&, Tensors&) { return Tensors{tape_.empty(old)}; });
}

Tensor Aten::linear(Tensor x, Tensor weight, Tensor bias, const LinearKind& kind) {
  bias = lower(bias);
  weight = lower(weight);
  x = lower(x);
  const auto matrix = kind.stored_transposed ? weight : permute(weight, {1, 0});
  const auto out = matrix->shape[1];
  auto shape = x->shape;
  shape[shape.rank() - 1] = out;
  StoragePtr gathered;
  if (kind.gathers_input) gathered = whole(x->shape, x->dtype);
  if (kind.gathers_output) gathered = whole(shape, x->dtype);
  gathered_ = gathered ? gathered->bytes() : Count(0);
  Tensor y;
  if (bias && x->shape.rank() == 2) {
    y = addmm(bias, x, matrix, kind.split);
  } else if (bias && x->shape.rank() == 3 && is_contiguous(x->shape, x->strides)) {
    const auto rows = reshape(x, {x->shape[0] * x->shape[1], x->shape[2]});
    y = reshape(addmm(bias, rows, matrix, kind.split), shape);
  } else {
    y = product(x, matrix, kind.split);
    if (bias) y = add_bias(y, bias);
  }
  gathered_ = 0;
  return y;
}

// bitsandbytes nn/modules.py, Linear4bit.forward, and autograd/_functions.py, MatMul4Bit: the input
// in the computation's type, the weight unpacked for the product, an answer in the input's type.
// Frozen weights: the input is not kept.
Tensor Aten::packed_linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const Shape& output, const PackedKind& kind) {
  const auto low = settings_.autocast.value_or(weight->dtype);
  const auto input = to(x, low);
  const Meta input_meta = eager::contiguous(input->shape, low, input->split);
  const auto scratch = [this, unpacked = kind.unpacked, low, meta = Meta(*weight)] {
    auto wide = meta;
    wide.dtype = low;
    return tape_.memory().allocate(unpacked ? bytes_of(wide) : Count(0), Kind::workspace);
  };
  Tensor y;
  {
    const auto unpacked_weight = scratch();
    y = tape_.empty(eager::contiguous(output, low, kind.split));
  }
  y = tape_.record(y, {input, bias}, {}, [this, input_meta, scratch](Tensors& g, Tensors&) {
    const auto gradient = raw_contiguous(g[0]);
    const auto unpacked_weight = scratch();
    return Tensors{tape_.empty(input_meta), nullptr};
  });
  return kind.narrow ? y : to(y, x->dtype);
}

// unsloth's LoRA_QKV and LoRA_W (fast_lora.py): one op keeps its input and what its dropout left of
// it, no mask; the weight, if it is packed, is unpacked for each of its products.
Tensor Aten::fused_lora(Tensor x, const Tensor& weight, const Tensor& down, const Tensor& up,
                        const Shape& output, bool drops, bool packed) {
  x = lower(x);
  const auto rank = down->shape[0];
  const auto dtype = x->dtype;
  const auto split = x->split;
  const auto scratch = [this, packed, dtype, meta = Meta(*weight)] {
    auto wide = meta;
    wide.dtype = dtype;
    return tape_.memory().allocate(packed ? bytes_of(wide) : Count(0), Kind::workspace);
  };
  const auto y = tape_.empty(eager::contiguous(output, dtype, split));
  { const auto unpacked_weight = scratch(); }
  const auto dropped = drops ? fresh(x->shape, x) : x;
  {
    auto narrow = output;
    narrow[narrow.rank() - 1] = rank;
    const auto low = tape_.empty(eager::contiguous(narrow, dtype, split), Kind::workspace);
  }
  const Meta input = eager::contiguous(x->shape, dtype, split);
  return tape_.record(y, {x, down, up}, {x, dropped, down, up},
                      [this, input, scratch](Tensors& g, Tensors& saved) {
                        const auto gradient = raw_contiguous(g[0]);
                        Tensors out(3);
                        out[1] = tape_.empty(*saved[2]);
                        out[2] = tape_.empty(*saved[3]);
                        {
                          const auto unpacked_weight = scratch();
                          out[0] = tape_.empty(input);
                        }
                        // dX += (dropped != 0) * (dY B A)
                        auto mask = input;
                        mask.dtype = DType::boolean;
                        const auto kept = tape_.empty(mask, Kind::workspace);
                        const auto low = tape_.empty(input, Kind::workspace);
                        const auto product = tape_.empty(input, Kind::workspace);
                        return out;
                      });
}

Tensor Aten::expert_linear(Tensor x, Tensor weight, Tensor bias, const Shape& output,
                           std::uint64_t split) {
  bias = lower(bias);
  weight = lower(weight);
  x = lower(x);
  // A token goes to several experts: its row is gathered once for each.
  const auto rows = output[0] * output[1];
  if (x->shape.rank() == 2) {
    const auto whole = eager::contiguous(x->shape, x->dtype, x->split);
    auto gathered = fresh({output[0], output[1], x->shape[1]}, x);
    x = tape_.record(gathered, {x}, {},
                     [this, whole](Tensors&, Tensors&) { return Tensors{tape_.empty(whole)}; });
  }
  x = reshape(x, {rows, x->shape.at(-1)});
  auto y = tape_.empty(eager::contiguous({rows, output[2]}, x->dtype, split));
  const auto gradient_of = [this](const Tensor& t) {
    return needs(t) ? std::optional<Meta>(*t) : std::nullopt;
  };
  const auto metas = std::array{gradient_of(x), gradient_of(weight), gradient_of(bias)};
  y = tape_.record(y, {x, weight, bias}, {metas[1] ? x : nullptr, metas[0] ? weight : nullptr},
                   [this, metas](Tensors&, Tensors&) {
                     Tensors out(3);
                     for (std::size_t i = 0; i < metas.size(); ++i)
                       if (metas[i]) out[i] = tape_.empty(*metas[i]);
                     return out;
                   });
  return reshape(y, output);
}

// oneDNN's workspace (measured with PyTorch 1.13.1, patch sides 4 to 32). A kernel of more than 14
// takes the gemm path: im2col and a reduction buffer of four weights a thread; a smaller one
// reorders the gradient.
Tensor Aten::conv_weight_gradient_cpu(const Meta& weight, const Meta& output,
                                      const ConvShape& shape, const Tensor& gradient, bool has_bias,
                                      Tensor& bias_gradient) {
  const auto make_bias = [&] {
    if (has_bias) bias_gradient = tape_.empty(eager::contiguous({weight.shape[0]}, weight.dtype));
  };
  StoragePtr scratch;
  StoragePtr reordered;
  if (shape.kernel_side > 14) {
    reordered = tape_.memory().allocate(bytes_of(weight), Kind::workspace);
    const auto threads = std::min(output.shape[0], settings_.cpu_threads);
    scratch = tape_.memory().allocate((bytes_of(weight) * 4 + shape.columns_bytes) * threads,
                                      Kind::workspace);
    scratch = nullptr;
    make_bias();
  } else {
    scratch = tape_.memory().allocate(bytes_of(*gradient), Kind::workspace);
    reordered = tape_.memory().allocate(bytes_of(weight), Kind::workspace);
    make_bias();
    scratch = nullptr;
  }
  return tape_.empty(weight);
}

Tensor Aten::conv(Tensor x, Tensor weight, Tensor bias, const ConvShape& shape) {
  bias = lower(bias);
  weight = lower(weight);
  x = lower(x);
  StoragePtr reordered;
  if (on_cpu()) reordered = tape_.memory().allocate(bytes_of(*weight), Kind::workspace);
  const bool channels_last = is_channels_last(x->shape, x->strides);
  const auto laid = [channels_last](const Shape& images, const Tensor& like) {
    return Meta{images, channels_last ? channels_last_strides(images) : contiguous_strides(images),
                like->dtype, like->split};
  };
  auto y = tape_.empty(laid(shape.output, x));
  reordered = nullptr;
  const bool for_x = needs(x);
  const bool for_weight = needs(weight);
  const bool has_bias = bias != nullptr;
  const Meta y_meta = *y;
  return tape_.record(
      y, {x, weight, bias}, {x, weight},
      [this, for_x, for_weight, has_bias, y_meta, shape, channels_last, laid](Tensors& g,
                                                                              Tensors& saved) {
        const auto gradient = raw_images(g[0], channels_last);
        Tensors out(3);
        if (for_x) out[0] = tape_.empty(laid(saved[0]->shape, saved[0]));
        const auto weight_meta = laid(saved[1]->shape, saved[1]);
        if (for_weight && on_cpu()) {
          out[1] = conv_weight_gradient_cpu(weight_meta, y_meta, shape, gradient, has_bias, out[2]);
        } else if (for_weight) {
          out[1] = tape_.empty(weight_meta);
          if (has_bias)
            out[2] = tape_.empty(eager::contiguous({weight_meta.shape[0]}, weight_meta.dtype));
        }
        return out;
      });
}

// Dao et al. 2022 (arXiv:2205.14135), as PyTorch 2's flash kernel allocates: the output in
// [batch, tokens, heads, dim] order, the log-sum-exp in fp32, and for dropout the state of the
// random numbers instead of a mask. Backward: an fp32 accumulator for dq and the row sums.
Tensor Aten::sdpa(Tensor q, Tensor k, Tensor v, Tensor bias, const Meta& output) {
  bias = lower(bias);
  v = lower(v);
  k = lower(k);
  q = lower(q);
  auto out_meta = output;
  out_meta.dtype = q->dtype;
  out_meta.split = std::max(q->split, k->split);
  auto y = tape_.empty(out_meta);
  auto rows = leading(q->shape, 1);
  const auto statistics = eager::contiguous(rows, DType::f32, out_meta.split);
  auto lse = tape_.empty(statistics);
  const auto gradient_of = [this](const Tensor& x) {
    return [this, meta = Meta{x->shape, contiguous_strides(x->shape), x->dtype, x->split}] {
      return tape_.empty(meta);
    };
  };
  const auto accumulator = eager::contiguous(q->shape, DType::f32, q->split);
  return tape_.record(
      y, {q, k, v, bias}, {q, k, v, bias, y, lse},
      [this, dq = gradient_of(q), dk = gradient_of(k), dv = gradient_of(v), accumulator, statistics,
       for_bias = needs(bias)](Tensors& g, Tensors& saved) {
        const auto gradient = raw_contiguous(g[0]);
        Tensors out{dq(), dk(), dv(), nullptr};
        const auto sums = tape_.empty(statistics, Kind::workspace);
        const auto wide = accumulator.dtype == saved[0]->dtype
                              ? nullptr
                              : tape_.empty(accumulator, Kind::workspace);
        if (for_bias) out[3] = fresh(saved[3]->shape, saved[3]);
        return out;
      });
}

}  // namespace vitals::eager
