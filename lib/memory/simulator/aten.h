// PyTorch's functional ops on tensors without data: what each allocates, what it keeps for the
// backward pass, and what its backward node allocates, in PyTorch 1.13's order (aten/src/ATen/
// native, tools/autograd/derivatives.yaml; autocast: aten/src/ATen/autocast_mode.cpp). Forward and
// backward of an op stand together. Knows no graph and no module.
#pragma once

#include "graph/op_traits.h"
#include "memory/simulator/tape.h"

#include <optional>

namespace vitals::eager {

enum class Device : std::uint8_t { cuda, cpu };

struct Settings {
  Device device = Device::cuda;
  std::optional<DType> autocast;  // the lower precision type inside the autocast context
  std::uint64_t cpu_threads = 2;  // size the CPU library's workspaces
};

class Aten {
 public:
  Aten(Tape& tape, Settings settings) : tape_(tape), settings_(settings) {}

  [[nodiscard]] Tape& tape() { return tape_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  // Entering and leaving `with autocast():`; leaving drops the weights' casts.
  void set_autocast(bool on);

  // Views (and copies where the strides ask for one).
  Tensor reshape(const Tensor& x, const Shape& shape);
  Tensor contiguous(const Tensor& x);
  Tensor permute(const Tensor& x, const Dims& order);
  Tensor expand(const Tensor& x, const Shape& shape);
  // x[:, .., start : start + length] as Python's indexing runs it: a slice for every index.
  Tensor index(const Tensor& x, std::size_t axis, std::uint64_t length, bool select);
  // All pieces of torch.split, chunk or unbind (drop_axis): one node.
  Tensors split(const Tensor& x, std::size_t axis, const std::vector<std::uint64_t>& lengths,
                bool drop_axis);

  // Pointwise.
  Tensor to(const Tensor& x, DType dtype);
  Tensor add(const Tensor& a, const Tensor& b);
  Tensor sub(const Tensor& a, const Tensor& b);
  Tensor mul(const Tensor& a, const Tensor& b);
  Tensor addcmul(const Tensor& sum, const Tensor& a, const Tensor& b);  // sum + a * b
  Tensor div(const Tensor& a, const Tensor& b);
  Tensor scale(const Tensor& x);  // by a Python number
  Tensor neg(const Tensor& x);
  enum class Keeps : std::uint8_t { input, output };
  Tensor activation(const Tensor& x, Keeps keeps);
  // An op that allocates its result alone, keeps what its row says, and in the backward pass makes
  // one gradient for each operand that needs one. The first `inputs` operands are values, the
  // others parameters.
  struct Plain {
    Meta output;
    Saves saves = Saves::nothing;
    Autocast autocast = Autocast::promotes;
  };
  Tensor plain(Tensors operands, std::size_t inputs, const Plain& op);
  Tensor masked_fill(const Tensor& x, const Tensor& mask);
  Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
  Tensor dropout(const Tensor& x);
  Tensor drop_path(const Tensor& x);

  // Products.
  // W is [out, in]; with `stored_transposed` [in, out], as in GPT-2's Conv1D.
  struct LinearKind {
    bool stored_transposed = false;
    std::uint64_t split = 1;  // pieces of the output over tensor-parallel ranks
    // Over ranks that cut the sequence: whole tensors that are gathered for the call, or before
    // they are scattered; freed at its end.
    bool gathers_input = false;
    bool gathers_output = false;
  };
  Tensor linear(Tensor x, Tensor weight, Tensor bias, const LinearKind& kind);
  // A product with frozen weights of few bits; answers in the input's type. `unpacked`: the weight
  // is unpacked into the computation's type while the product runs.
  // `narrow`: the answer stays in the computation's type.
  struct PackedKind {
    std::uint64_t split = 1;
    bool unpacked = false;
    bool narrow = false;
  };
  Tensor packed_linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const Shape& output, const PackedKind& kind);
  // A frozen linear layer and its low-rank adapter A, B as one op.
  Tensor fused_lora(Tensor x, const Tensor& weight, const Tensor& down, const Tensor& up,
                    const Shape& output, bool drops, bool packed);
  // The same values, cut along the sequence.
  Tensor scatter(const Tensor& x, std::uint64_t ranks);
  // Rows of x gathered by expert, times each expert's matrix: one [rows, out] for all choices.
  Tensor expert_linear(Tensor x, Tensor weight, Tensor bias, const Shape& output,
                       std::uint64_t split);
  Tensor matmul(Tensor a, Tensor b);
  struct ConvShape {
    Shape output;
    std::uint64_t kernel_side = 1;    // the longer one
    std::uint64_t columns_bytes = 0;  // of im2col for one sample
  };
  Tensor conv(Tensor x, Tensor weight, Tensor bias, const ConvShape& shape);
  // torch.nn.functional.scaled_dot_product_attention, flash kernel.
  Tensor sdpa(Tensor q, Tensor k, Tensor v, Tensor bias, const Meta& output);

  // Rows of a matrix by an index that differs from call to call: x[index], and
  // sum.index_add_(0, index, rows), in place.
  Tensor take_rows(const Tensor& x, std::uint64_t rows);
  Tensor add_rows(const Tensor& sum, const Tensor& rows);

  // Reductions, norms, the rest.
  Tensor softmax(Tensor x);
  Tensor layer_norm(Tensor x, Tensor weight, Tensor bias);
  Tensor rms_norm(const Tensor& input, const Tensor& weight);
  Tensor fused_rms_norm(const Tensor& input, const Tensor& weight);
  Tensor global_response_norm(const Tensor& x, const Tensor& weight, const Tensor& bias);
  Tensor reduce(op::ReduceKind kind, const Tensor& x, const Shape& output);
  Tensor concat(Tensors xs, const Shape& output);
  Tensor roll(const Tensor& x);
  Tensor embedding(const Tensor& ids, const Tensor& table, const Shape& output);
  Tensor gather(const Tensor& table, const Shape& output);
  Tensor topk(const Tensor& x, const Shape& output);
  Tensor rope(const Tensor& x, const Tensor& tables);
  // Running statistics are given in evaluation only.
  Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensors& running);
  // `statistics`: groups of all samples. An instance norm repeats its weights for every sample.
  Tensor group_norm(Tensor x, Tensor weight, Tensor bias, std::uint64_t statistics, bool instance);
  // A maximum keeps where it stood.
  Tensor pool(const Tensor& x, const Meta& output, bool keeps_input, bool keeps_places);
  Tensor take(const Tensor& x, const Tensor& index, const Shape& output);
  Tensor scatter_into(const Tensor& x, const Tensor& index, const Tensor& updates);
  // One recurrent layer: `kept` values of the hidden size for every token, direction and sample.
  Tensor recurrent(Tensors operands, const Shape& output, std::uint64_t kept);
  Tensor cross_entropy(Tensor logits, const Tensor& targets);

  // Losses of libraries. Logits [B, s, classes]; the targets of the next tokens are made inside.
  Tensor hf_loss(const Tensor& logits, bool works_in_copy);
  Tensor vocab_parallel_loss(const Tensor& logits, const Tensor& targets);
  Tensor chunked_loss(const Tensor& logits, const Tensor& targets);
  // Head and loss together: hidden states [B, s, h], the head's weight [classes, h].
  Tensor fused_linear_loss(const Tensor& hidden, Tensor weight);

  // A copy in float32 where CUDA's autocast has one made; else x itself.
  [[nodiscard]] Tensor upper(const Tensor& x);

 private:
  using Operands = std::initializer_list<Tensor>;
  [[nodiscard]] StoragePtr whole(const Shape& shape, DType dtype);
  [[nodiscard]] bool on_cpu() const { return settings_.device == Device::cpu; }
  [[nodiscard]] bool needs(const Tensor& x) const { return tape_.needs_grad(x); }
  [[nodiscard]] Tensor pointwise(Operands operands, DType dtype);
  [[nodiscard]] Tensor fresh(const Shape& shape, const Tensor& like);
  [[nodiscard]] Tensor scalar(DType dtype, Kind kind);
  [[nodiscard]] Tensor cpu_scratch();
  [[nodiscard]] Tensor raw_contiguous(const Tensor& x);
  [[nodiscard]] Tensor raw_images(const Tensor& x, bool channels_last);
  [[nodiscard]] Tensor raw_reshape(const Tensor& x, const Shape& shape);
  [[nodiscard]] Tensor lower(const Tensor& x);

  [[nodiscard]] Tensor gemm_operand(const Tensor& x);
  [[nodiscard]] Tensor gemm(const Tensor& a, const Tensor& b, std::uint64_t split);
  [[nodiscard]] Tensor weight_gradient(const Tensor& x, const Tensor& g, const Meta& weight);
  [[nodiscard]] Tensor input_gradient(const Tensor& g, const Tensor& weight, const Meta& x);
  [[nodiscard]] Tensor next_tokens(const Tensor& x, std::uint64_t rows);
  Tensor addmm(const Tensor& bias, const Tensor& x, const Tensor& weight, std::uint64_t split);
  Tensor bmm(const Tensor& a, const Tensor& b);
  Tensor product(const Tensor& a, const Tensor& b, std::uint64_t split);
  Tensor add_bias(const Tensor& y, const Tensor& bias);
  Tensor view_as(const Tensor& x, const Shape& shape);
  Tensor conv_weight_gradient_cpu(const Meta& weight, const Meta& output, const ConvShape& shape,
                                  const Tensor& gradient, bool has_bias, Tensor& bias_gradient);

  Tape& tape_;
  Settings settings_;
  bool autocast_ = false;
  Count gathered_;  // bytes that the linear at hand gathers in its backward pass
  std::unordered_map<std::uint32_t, Tensor> casts_;  // of leaves, in the current autocast context
};

}  // namespace vitals::eager
