// Losses as training libraries compute them, in the order of their allocations.
#include "memory/simulator/aten.h"

#include <algorithm>
#include <bit>

namespace vitals::eager {

// x[..., :-1, :].contiguous(): the position behind the last has no target. One slice, whose
// backward fills a tensor of the whole, and a copy.
Tensor Aten::next_tokens(const Tensor& x, std::uint64_t rows) {
  auto shape = x->shape;
  shape[shape.rank() - 2] = rows;
  const Meta whole = eager::contiguous(x->shape, x->dtype, x->split);
  auto slice = Tape::view(x, shape, x->strides);
  tape_.record(slice, {x}, {},
               [this, whole](Tensors&, Tensors&) { return Tensors{tape_.empty(whole)}; });
  return contiguous(slice);
}

// transformers loss/loss_utils.py, ForCausalLMLoss: logits.float(), shifted logits and labels, both
// contiguous, cross_entropy. `works_in_copy`: unsloth's kernel (Fast_CrossEntropyLoss) keeps the
// shifted copy, with the log-sum-exp of its rows, and writes the gradient into it.
Tensor Aten::hf_loss(const Tensor& logits, bool works_in_copy) {
  const auto wide = to(logits, DType::f32);
  const auto tokens = wide->shape.at(-2);
  const auto classes = wide->shape.at(-1);
  const auto shifted = next_tokens(wide, tokens - 1);
  const auto rows = (numel(shifted->shape) / classes).value();
  const auto flat = reshape(shifted, {rows, classes});
  const auto labels = tape_.empty(eager::contiguous({rows}, DType::i64));
  if (!works_in_copy) return cross_entropy(flat, labels);
  const auto losses = tape_.empty(eager::contiguous({rows}, DType::f32));
  const auto sums = tape_.empty(eager::contiguous({rows}, DType::f32));
  return tape_.record(scalar(DType::f32, Kind::activation), {flat}, {flat, sums, labels},
                      [](Tensors&, Tensors& saved) {
                        return Tensors{Tape::view(saved[0], saved[0]->shape, saved[0]->strides)};
                      });
}

// megatron/core/tensor_parallel/cross_entropy.py, VocabParallelCrossEntropy: logits.float(); their
// maximum is taken off in place, the exponentials take their place, are kept, and become the
// gradient.
Tensor Aten::vocab_parallel_loss(const Tensor& logits, const Tensor& targets) {
  const auto wide = to(logits, DType::f32);
  auto rows = wide->shape;
  rows[rows.rank() - 1] = 1;
  const auto vector = eager::contiguous(rows, DType::f32);
  const auto maximum = tape_.empty(vector);
  const auto predicted = tape_.empty(vector);
  const auto sums = tape_.empty(vector);
  return tape_.record(scalar(DType::f32, Kind::activation), {wide}, {wide, targets},
                      [](Tensors&, Tensors& saved) {
                        return Tensors{Tape::view(saved[0], saved[0]->shape, saved[0]->strides)};
                      });
}

// torchtune modules/loss/ce_chunked_output_loss.py: eight chunks of the tokens, each upcast by
// itself.
Tensor Aten::chunked_loss(const Tensor& logits, const Tensor& targets) {
  constexpr std::uint64_t kChunks = 8;
  const auto classes = logits->shape.at(-1);
  const auto rows = (numel(logits->shape) / classes).value();
  const auto flat = reshape(logits, {rows, classes});
  const auto each = (rows + kChunks - 1) / kChunks;
  std::vector<std::uint64_t> lengths;
  for (std::uint64_t done = 0; done < rows; done += each)
    lengths.push_back(std::min(each, rows - done));
  Tensor sum;
  for (const auto& chunk : split(flat, 0, lengths, false)) {
    const auto part = Tape::view(targets, {chunk->shape[0]}, {1});
    const auto loss = cross_entropy(to(chunk, DType::f32), part);
    sum = sum ? add(sum, loss) : loss;
  }
  return sum;
}

// Liger Kernel, fused_linear_cross_entropy.py (Hsu et al. 2024, arXiv:2410.10989): as many chunks
// of rows as the vocabulary is times wider than the hidden states; the gradients of hidden states
// and weight are made in the forward pass and kept.
Tensor Aten::fused_linear_loss(const Tensor& hidden, Tensor weight) {
  const auto tokens = hidden->shape.at(-2);
  const auto width = hidden->shape.at(-1);
  const auto shifted = next_tokens(hidden, tokens - 1);
  const auto rows = (numel(shifted->shape) / width).value();
  const auto flat = reshape(shifted, {rows, width});
  const auto classes = weight->shape[0];
  const auto product = autocast_ ? *settings_.autocast : flat->dtype;
  const bool for_weight = needs(weight);
  const Meta weight_meta = *weight;
  const auto grad_weight = for_weight ? tape_.empty(weight_meta) : nullptr;
  const Meta input_meta = *flat;
  const auto grad_input = tape_.empty(input_meta);
  const auto losses = tape_.empty(eager::contiguous({rows}, DType::f32));
  const auto factor = (classes + width - 1) / width;
  const auto chunk = std::min(rows, std::bit_ceil((rows + factor - 1) / factor));
  const auto logits = [&](DType dtype) {
    return tape_.memory().allocate(bytes_of(eager::contiguous({chunk, classes}, dtype)),
                                   Kind::workspace);
  };
  {
    auto narrow = logits(product);
    auto wide = logits(DType::f32);
    narrow = logits(product);  // the gradient, back in the computation's type
    wide = nullptr;
    const auto scaled = logits(product);
    const auto part = tape_.memory().allocate(bytes_of(eager::contiguous({chunk, width}, product)),
                                              Kind::workspace);
  }
  return tape_.record(scalar(DType::f32, Kind::activation), {flat, weight},
                      {grad_input, grad_weight}, [](Tensors&, Tensors& saved) {
                        Tensors out(2);
                        for (std::size_t i = 0; i < 2; ++i)
                          if (saved[i])
                            out[i] = Tape::view(saved[i], saved[i]->shape, saved[i]->strides);
                        return out;
                      });
}

}  // namespace vitals::eager
