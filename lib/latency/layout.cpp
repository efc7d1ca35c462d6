#include "latency/layout.h"

#include "cost/macs.h"
#include "cost/sizes.h"

#include <algorithm>

namespace vitals::latency {

namespace {

double widest_input(const Node& node, const std::vector<double>& sizes) {
  double widest = 0;
  for (auto id : node.inputs) widest = std::max(widest, sizes[id]);
  return widest;
}

}  // namespace

// torch.autocast: products give the low type, norms and softmax float32, the rest the widest type
// of what it reads (type promotion).
Layout::Layout(const Graph& graph, const Execution& execution)
    : graph_(graph), execution_(execution) {
  if (execution.low) product_size_ = static_cast<double>(size_of(*execution.low));
  if (execution.low && !execution.autocast) param_size_ = product_size_;
  const bool whole = execution.low && !execution.autocast;
  sizes_.reserve(graph.nodes.size());
  for (const auto& node : graph.nodes) {
    double size = is_floating(node.dtype) ? 4.0 : static_cast<double>(size_of(node.dtype));
    if (is_floating(node.dtype)) size = whole ? product_size_ : autocast_size(node);
    sizes_.push_back(size);
  }
}

// Of a floating-point result where operands have their own types.
double Layout::autocast_size(const Node& node) const {
  switch (traits(node.op).autocast) {
    case Autocast::low:
      return product_size_;
    case Autocast::wide:
      return low_norm(node.op) ? product_size_ : 4.0;
    case Autocast::keeps:
      return sizes_[node.inputs[0]];
    case Autocast::promotes:
      break;
  }
  return widest_input(node, sizes_);
}

bool Layout::low_norm(const Op& op) const {
  if (!execution_.autocast) return false;
  if (std::holds_alternative<op::RmsNorm>(op)) return execution_.low_rms_norm;
  return std::holds_alternative<op::LayerNorm>(op) && execution_.low_layer_norm;
}

double Layout::elements(NodeId id) const {
  return static_cast<double>(elements_of(node(id).shape));
}

double Layout::stored(NodeId id) const { return static_cast<double>(stored_elements(node(id))); }

double Layout::params(const Node& node) const {
  double sum = 0;
  for (auto id : node.params)
    if (id != kNone) sum += static_cast<double>(elements_of(graph_.params[id].shape));
  return sum;
}

std::size_t Layout::grain(NodeId id) const {
  const auto& n = node(id);
  for (std::size_t i = 0; i < n.shape.rank(); ++i)
    if (n.shape[i] > 1 && n.strides[i] == 1) return n.shape.rank() - i;
  return 0;
}

Kernel Layout::kernel(KernelKind kind, std::string_view name, const Node& node) const {
  Kernel kernel;
  kernel.kind = kind;
  kernel.name = name;
  kernel.module = graph_.calls[node.call].module;
  return kernel;
}

Kernel Layout::cast(double elements, const Node& reader) const {
  auto kernel = this->kernel(KernelKind::elementwise, "cast", reader);
  kernel.bytes = elements * (4 + product_size_);
  return kernel;
}

namespace {

// m, n, k and the number of products; n and k follow from the MACs where an op states only one.
void set_sizes(Kernel& kernel, const Graph& graph, const Node& node) {
  const auto& out = node.shape;
  const double elements = static_cast<double>(elements_of(out));
  const double macs = vitals::macs(graph, node).as_double();
  kernel.count = 1;
  kernel.k = elements > 0 ? macs / elements : 0;
  if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
    kernel.count = static_cast<double>(conv->groups);
    kernel.n = static_cast<double>(conv->out) / kernel.count;
    kernel.m = elements / static_cast<double>(conv->out);
  } else if (std::holds_alternative<op::MatMul>(node.op)) {
    kernel.count = static_cast<double>(batch_of(out));
    kernel.m = static_cast<double>(out.at(-2));
    kernel.n = static_cast<double>(out.at(-1));
    kernel.k = static_cast<double>(input_shape(graph, node, 0).at(-1));
  } else {
    kernel.n = static_cast<double>(out.at(-1));
    kernel.m = elements / kernel.n;
    if (const auto* expert = std::get_if<op::ExpertLinear>(&node.op)) {
      kernel.count = std::min(static_cast<double>(expert->experts), kernel.m);
      kernel.m /= kernel.count;
    }
  }
}

// Share of all scores that causal attention computes: the last query sees all keys, each one before
// it one key less.
double causal_share(const AttentionSizes& sizes) {
  const auto keys = static_cast<double>(sizes.keys);
  const double seen = std::min(static_cast<double>(sizes.queries), keys);
  return (keys - 0.5 * (seen - 1)) / keys;
}

}  // namespace

Kernel Layout::other(NodeId id) const {
  const auto& n = node(id);
  auto kernel = this->kernel(KernelKind::elementwise, name_of(n.op), n);
  kernel.flops = 2 * macs(graph_, n).as_double();
  kernel.bytes = params(n) * param_size() + elements(id) * size(id);
  for (auto input : n.inputs) kernel.bytes += stored(input) * size(input);
  return kernel;
}

Kernel Layout::product(NodeId id) const {
  const auto& n = node(id);
  const bool conv = std::holds_alternative<op::Conv>(n.op);
  auto kernel =
      this->kernel(conv ? KernelKind::convolution : KernelKind::product, name_of(n.op), n);
  kernel.flops = 2 * macs(graph_, n).as_double();
  double read = params(n);
  if (const auto* expert = std::get_if<op::ExpertLinear>(&n.op)) {
    set_sizes(kernel, graph_, n);
    read *= kernel.count / static_cast<double>(expert->experts);
  }
  const double weights = read;
  if (const auto* attention = std::get_if<op::Sdpa>(&n.op)) {
    const auto sizes = attention_sizes(graph_, n);
    kernel.kind = KernelKind::attention;
    kernel.count = static_cast<double>(sizes.batch);
    kernel.m = static_cast<double>(sizes.queries);
    kernel.n = static_cast<double>(sizes.keys);
    kernel.k = 0.5 * static_cast<double>(sizes.width + sizes.value_width);
    kernel.biased = attention->bias;
    kernel.causal = attention->causal;
    if (attention->causal) kernel.flops *= causal_share(sizes);
  } else {
    set_sizes(kernel, graph_, n);
  }
  for (auto input : n.inputs)
    if (is_floating(node(input).dtype)) read += stored(input);
  kernel.weight_bytes = weights * product_size_;
  kernel.bytes = (read + elements(id)) * product_size_;
  return kernel;
}

}  // namespace vitals::latency
