#include "cost/definitions.h"

namespace vitals {
namespace {

OpDefinition definition_of(op::ActivationKind kind) {
  using enum op::ActivationKind;
  switch (kind) {
    case gelu:
      return {"y = x/2 (1 + erf(x / sqrt 2))", "Hendrycks & Gimpel 2016, arXiv:1606.08415"};
    case gelu_tanh:
      return {"y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
              "Hendrycks & Gimpel 2016, arXiv:1606.08415"};
    case quick_gelu:
      return {"y = x sigmoid(1.702 x)", "Hendrycks & Gimpel 2016, arXiv:1606.08415"};
    case silu:
      return {"y = x sigmoid(x)", "Elfwing et al. 2017, arXiv:1702.03118"};
    case relu:
      return {"y = max(x, 0)", "torch.nn.ReLU"};
    case relu_squared:
      return {"y = max(x, 0)^2", "So et al. 2021, arXiv:2109.08668"};
    case tanh:
      return {"y = tanh(x)", "torch.nn.Tanh"};
    case sigmoid:
      return {"y = 1 / (1 + exp(-x))", "torch.nn.Sigmoid"};
    case softplus:
      return {"y = max(x, 0) + log(1 + exp(-|x|))", "torch.nn.Softplus"};
    case exp:
      return {"y = exp(x)", "torch.exp"};
    case sin:
      return {"y = sin(x)", "torch.sin"};
    case cos:
      return {"y = cos(x)", "torch.cos"};
  }
  return {"?", "?"};
}

OpDefinition definition_of(op::ReduceKind kind) {
  switch (kind) {
    case op::ReduceKind::mean:
      return {"y = sum(x) / length", "torch.mean"};
    case op::ReduceKind::sum:
      return {"y = sum(x)", "torch.sum"};
    case op::ReduceKind::max:
      return {"y = max(x)", "torch.amax"};
  }
  return {"?", "?"};
}

OpDefinition definition_of(op::BinaryKind kind) {
  switch (kind) {
    case op::BinaryKind::add:
      return {"y = a + b", "torch.add"};
    case op::BinaryKind::sub:
      return {"y = a - b", "torch.sub"};
    case op::BinaryKind::mul:
      return {"y = a b", "torch.mul"};
    case op::BinaryKind::div:
      return {"y = a / b", "torch.div"};
  }
  return {"?", "?"};
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): a table, one entry an op
OpDefinition definition(const Op& op) {
  using D = OpDefinition;
  return std::visit(
      Overloaded{
          [](const op::Input&) {
            return D{"data", "the model's input"};
          },
          [](const op::Parameter&) {
            return D{"a parameter as it is", "torch.nn.Parameter"};
          },
          [](const op::Constant&) {
            return D{"numbers that the sizes fix", "torch buffers"};
          },
          [](const op::Linear&) {
            return D{"y = x W^T + b", "torch.nn.Linear"};
          },
          [](const op::ExpertLinear&) {
            return D{"y = x W[e]^T + b[e] for every chosen expert e",
                     "Shazeer et al. 2017, arXiv:1701.06538"};
          },
          [](const op::Conv&) {
            return D{"y = W * x + b", "torch.nn.Conv2d; Dumoulin & Visin 2016, arXiv:1603.07285"};
          },
          [](const op::MatMul&) {
            return D{"y[m, n] = sum over k of a[m, k] b[k, n]", "torch.matmul"};
          },
          [](const op::Sdpa&) {
            return D{"y = softmax(q k^T scale + bias) v",
                     "Vaswani et al. 2017, arXiv:1706.03762, eq. 1"};
          },
          [](const op::Binary& o) { return definition_of(o.kind); },
          [](const op::Scale&) {
            return D{"y = x factor", "torch.mul"};
          },
          [](const op::Activation& o) { return definition_of(o.kind); },
          [](const op::Softmax&) {
            return D{"y = exp(x - max) / sum(exp(x - max))", "torch.softmax"};
          },
          [](const op::TopK&) {
            return D{"the k largest of n", "torch.topk"};
          },
          [](const op::MaskedFill&) {
            return D{"y = mask ? value : x", "torch.masked_fill"};
          },
          [](const op::LayerNorm&) {
            return D{"y = (x - mean) / sqrt(var + eps) w + b",
                     "Ba et al. 2016, arXiv:1607.06450, eq. 4"};
          },
          [](const op::RmsNorm&) {
            return D{"y = x / sqrt(mean(x^2) + eps) w",
                     "Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4"};
          },
          [](const op::GlobalResponseNorm&) {
            return D{"y = x + w (x g / (mean(g) + eps)) + b, g = ||x|| of a channel",
                     "Woo et al. 2023, arXiv:2301.00808, section 3.2"};
          },
          [](const op::Dropout&) {
            return D{"y = x (u < keep ? 1 / keep : 0)", "Srivastava et al. 2014, JMLR 15"};
          },
          [](const op::DropPath&) {
            return D{"y = x (u < keep ? 1 / keep : 0), one u a sample",
                     "Huang et al. 2016, arXiv:1603.09382"};
          },
          [](const op::Concat&) {
            return D{"one after the other", "torch.cat"};
          },
          [](const op::Reshape&) {
            return D{"the same elements in another shape", "torch.reshape"};
          },
          [](const op::Expand&) {
            return D{"the same elements, repeated", "torch.expand"};
          },
          [](const op::Permute&) {
            return D{"the same elements, axes in another order", "torch.permute"};
          },
          [](const op::Slice&) {
            return D{"a part of the elements", "torch.narrow"};
          },
          [](const op::Copy&) {
            return D{"the same elements, made contiguous", "torch.Tensor.contiguous"};
          },
          [](const op::Roll&) {
            return D{"elements shifted in a circle",
                     "torch.roll; Liu et al. 2021, arXiv:2103.14030"};
          },
          [](const op::Reduce& o) { return definition_of(o.kind); },
          [](const op::Embedding&) {
            return D{"rows of a table by token", "torch.nn.Embedding"};
          },
          [](const op::Gather&) {
            return D{"rows of a table by a fixed index", "torch.index_select"};
          },
          [](const op::Rope&) {
            return D{"y = x cos + rotate(x) sin", "Su et al. 2021, arXiv:2104.09864, eq. 34"};
          },
      },
      op);
}

}  // namespace vitals
