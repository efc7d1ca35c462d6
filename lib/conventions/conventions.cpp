#include "conventions/conventions.h"

#include "conventions/patched_functions.h"
#include "conventions/torchinfo.h"
#include "cost/arithmetic.h"
#include "cost/macs.h"
#include "cost/sizes.h"
#include "graph/op_traits.h"

#include <algorithm>

namespace vitals {
namespace {

using Sink = std::function<void(const CountedItem&)>;

bool always(const Graph&) { return true; }

// Items of a rule that speaks of single ops: rule(node, item) fills the item in. Ops that it does
// not count give an empty formula.
template <class Rule>
void each_node(const Graph& graph, const Sink& sink, Rule&& rule) {
  for (const auto& node : graph.nodes) {
    CountedItem item;
    rule(node, item);
    if (item.formula.empty()) continue;
    item.module = graph.calls[node.call].module;
    sink(item);
  }
}

void products(const Graph& graph, const Node& node, CountedItem& item) {
  item.formula = macs_formula(graph, node);
  item.kind = name_of(node.op);
  item.source = definition(node.op).source;
}

void count_macs(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) { products(graph, node, item); });
}

void count_flops(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    products(graph, node, item);
    item.formula = item.formula.times(2);
  });
}

// Broadcast operands are expanded before bmm, so that all of its products count.
void count_torch(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    products(graph, node, item);
    if (std::holds_alternative<op::LinearRecurrence>(node.op) ||
        std::holds_alternative<op::Opaque>(node.op))
      item.formula = {};
    if (std::holds_alternative<op::MatMul>(node.op))
      item.formula = arithmetic(graph, node).multiplications;
    item.formula = item.formula.times(2);
    item.source = {};
  });
}

// fvcore has handles for matrix products and convolutions (fvcore/nn/flop_count.py); none for
// scaled_dot_product_attention, recurrent layers and what has a name of its own. An expert's
// product is a call of linear.
bool fvcore_sees(const Node& node) {
  return std::visit(
      []<class O>(const O&) {
        return !OneOf<O, op::Sdpa, op::Recurrent, op::LinearRecurrence, op::Opaque>;
      },
      node.op);
}

std::string_view fvcore_name(const Node& node) {
  return std::holds_alternative<op::ExpertLinear>(node.op) ? "linear" : name_of(node.op);
}

// Tools know the pooling of images by its own op or class, whatever reduction does the work.
bool is_average_pool(const Graph& graph, const Node& node) {
  const auto* pool = std::get_if<op::AdaptivePool>(&node.op);
  if (pool != nullptr) return pool->kind == op::PoolKind::avg && pool->spatial_dims == 2;
  const auto* reduce = std::get_if<op::Reduce>(&node.op);
  return reduce != nullptr && reduce->kind == op::ReduceKind::mean &&
         graph.module_of(node).torch == TorchClass::adaptive_avg_pool2d;
}

bool is_affine(const Node& node) { return node.params[0] != kNone; }

// Norms: 5 for every element, 4 without weights ("just a rough estimate"); a BatchNorm in
// evaluation is folded to 2 and 1. Interpolation of images: 1 for the nearest, 4 for a bilinear
// element.
bool count_fvcore_estimate(const Node& node, CountedItem& item) {
  const Formula::Factor elements{"elements", elements_of(node.shape)};
  const auto times = [&](std::uint64_t n) { item.formula = {{nullptr, n}, elements}; };
  if (std::holds_alternative<op::LayerNorm>(node.op) ||
      std::holds_alternative<op::GroupNorm>(node.op)) {
    times(is_affine(node) ? 5 : 4);
    return true;
  }
  if (const auto* norm = std::get_if<op::BatchNorm>(&node.op)) {
    if (norm->training)
      times(is_affine(node) ? 5 : 4);
    else
      times(is_affine(node) ? 2 : 1);
    return true;
  }
  const auto* resize = std::get_if<op::Resize>(&node.op);
  if (resize == nullptr || node.shape.rank() != 4 || resize->kind == op::ResizeKind::cubic)
    return false;
  const bool linear = resize->kind == op::ResizeKind::linear;
  item.kind = linear ? "upsample_bilinear2d" : "upsample_nearest2d";
  times(linear ? 4 : 1);
  return true;
}

void count_fvcore(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    if (is_average_pool(graph, node)) {
      item.kind = "adaptive_avg_pool2d";
      item.formula = {{"input", elements_of(input_shape(graph, node, 0))}};
      return;
    }
    item.kind = fvcore_name(node);
    if (!count_fvcore_estimate(node, item) && fvcore_sees(node))
      item.formula = macs_formula(graph, node);
  });
}

void count_activations(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    if (!fvcore_sees(node) || macs_formula(graph, node).empty()) return;
    item.kind = fvcore_name(node);
    item.formula = {{"output", elements_of(node.shape)}};
  });
}

bool is_conv(TorchClass torch) {
  using enum TorchClass;
  return torch == conv1d || torch == conv2d || torch == conv3d || torch == conv_transpose;
}

bool is_counted_norm(TorchClass torch, const Node& node) {
  return (torch == TorchClass::layer_norm && std::holds_alternative<op::LayerNorm>(node.op)) ||
         (torch == TorchClass::batch_norm && std::holds_alternative<op::BatchNorm>(node.op)) ||
         (torch == TorchClass::instance_norm && std::holds_alternative<op::GroupNorm>(node.op));
}

// thop takes every position of the output for a transposed convolution, too
// (thop/vision/calc_func.py, calculate_conv2d_flops).
Formula thop_conv(const op::Conv& o, const Graph& graph, const Node& node) {
  if (!o.transposed) return macs_formula(graph, node);
  return {{"output", elements_of(node.shape)},
          {"in/groups", o.in / o.groups},
          {"taps", taps_of(o.kernel, o.spatial_dims)}};
}

Formula thop_average(const Graph& graph, const Node& node) {
  const auto& x = input_shape(graph, node, 0);
  std::uint64_t taps = 1;
  if (const auto* reduce = std::get_if<op::Reduce>(&node.op))
    taps = reduced_length(*reduce, x);
  else
    for (std::size_t d = 2; d < x.rank(); ++d)
      taps *= x[d] / std::max<std::uint64_t>(node.shape[d], 1);
  return {{"(positions + 1)", taps + 1}, {"output", elements_of(node.shape)}};
}

bool calls_its_modules(const Graph& graph) {
  return graph.library != Library::torchvision && graph.library != Library::torchvision_mha;
}

// Projections of attention that torchvision runs as functions: those of nn.MultiheadAttention, and
// Swin's, which read the weights of nn.Linear modules and do not call them.
bool runs_as_function(const Graph& graph, const Node& node) {
  if (calls_its_modules(graph) || node.params[0] == kNone) return false;
  const auto role = graph.params[node.params[0]].role;
  return role == Role::qkv || role == Role::attention_output;
}

// thop hooks modules by their exact class: an op that a module of another class runs is not seen.
void count_thop(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    const auto& module = graph.module_of(node);
    const auto torch = module.torch;
    const Formula::Factor elements{"elements", elements_of(node.shape)};
    item.kind = module.type;
    if (runs_as_function(graph, node)) return;
    if (torch == TorchClass::linear && std::holds_alternative<op::Linear>(node.op)) {
      item.formula = macs_formula(graph, node);
    } else if (const auto* conv = std::get_if<op::Conv>(&node.op)) {
      if (is_conv(torch)) item.formula = thop_conv(*conv, graph, node);
    } else if (is_counted_norm(torch, node)) {
      item.formula = {{nullptr, is_affine(node) ? 4U : 2U}, elements};
    } else if (torch == TorchClass::avg_pool && std::holds_alternative<op::Pool>(node.op)) {
      item.formula = {{"output", elements_of(node.shape)}};
    } else if (is_average_pool(graph, node)) {
      item.formula = thop_average(graph, node);
    }
  });
}

template <TorchinfoVersion version>
void count_torchinfo(const Graph& graph, const Sink& sink) {
  visit_torchinfo(graph, version, [&](const Call& call, const Formula& formula) {
    sink({call.module, graph.modules[call.module].type, formula});
  });
}

// What aten.mm, addmm, bmm and convolution multiply; fused attention has a name of its own.
void count_ptflops(const Graph& graph, const Sink& sink) {
  each_node(graph, sink, [&](const Node& node, CountedItem& item) {
    products(graph, node, item);
    item.source = {};
    if (std::holds_alternative<op::Sdpa>(node.op) ||
        std::holds_alternative<op::LinearRecurrence>(node.op) ||
        std::holds_alternative<op::Opaque>(node.op))
      item.formula = {};
  });
}

void count_patched(const Graph& graph, const PatchedFunctions& patched, const Sink& sink) {
  visit_patched(graph, patched, [&](const Node& node, const Formula& formula) {
    sink({graph.calls[node.call].module, name_of(node.op), formula});
  });
}

void count_deepspeed(const Graph& graph, const Sink& sink) { count_patched(graph, {}, sink); }

void count_calflops(const Graph& graph, const Sink& sink) {
  count_patched(graph, {false, false, false}, sink);
}

void count_seed(const Graph& graph, const Sink& sink) {
  if (!graph.plain_stack) return;
  const auto& p = *graph.plain_stack;
  const Formula::Factor l{"l", p.layers};
  const Formula::Factor b{"b", graph.batch};
  const Formula::Factor s{"s", p.tokens};
  const Formula::Factor h{"h", p.hidden};
  Formula rule{l, {nullptr, 24}, b, s, h, h};
  rule.plus({l, {nullptr, 4}, b, s, s, h});
  rule.plus({{nullptr, 2}, b, s, h, {"V", p.vocab}});
  sink({0, "model", rule});
}

constexpr Convention kConventions[] = {
    {"macs", "MACs",
     "Counts the multiply-accumulates of linear layers, convolutions and matrix products, "
     "attention's two included; leaves out biases, norms, softmax, activations and all other "
     "elementwise work.",
     "vitals", count_macs, always},
    {"flops", "FLOPs",
     "Counts every multiply-accumulate of `macs` as two operations, a multiplication and an "
     "addition; leaves out what `macs` leaves out.",
     "vitals", count_flops, always},
    {"fvcore", "MACs",
     "Counts the multiply-accumulates of linear layers, convolutions and matrix products as one "
     "each, 5 for every element of an affine LayerNorm (4 without weights), and 1 for every "
     "element that an AdaptiveAvgPool2d reads; leaves out RMSNorm, softmax, activations, biases, "
     "and attention where it runs as one fused op.",
     "fvcore FlopCountAnalysis: fvcore/nn/jit_handles.py", count_fvcore, always},
    {"torch", "FLOPs",
     "Counts two operations for every multiply-accumulate of mm, bmm, addmm, convolutions and "
     "scaled_dot_product_attention, causal attention in full; leaves out everything else.",
     "PyTorch FlopCounterMode: torch/utils/flop_counter.py", count_torch, always},
    {"thop", "MACs",
     "Counts by module: the multiply-accumulates of nn.Linear and nn.Conv2d, 4 for every "
     "element of an affine nn.LayerNorm, and what nn.AdaptiveAvgPool2d reads and writes; leaves "
     "out whatever runs outside of such modules, both "
     "products of attention among it.",
     "thop profile: thop/vision/basic_hooks.py", count_thop, always},
    {"torchinfo", "MACs",
     "Counts by module without children: its weights and biases times the output positions of a "
     "convolution, the rows of a Linear, or the batch of any other; leaves out matrix products "
     "and parameters of other names, and so counts a norm as if it had one token.",
     "torchinfo's main branch since November 2024: torchinfo/layer_info.py",
     count_torchinfo<TorchinfoVersion::main>, calls_its_modules},
    {"torchinfo-1.8", "MACs",
     "Counts as torchinfo does, but a Linear's parameters once for every sample, whatever rows it "
     "has: the release that is installed by name.",
     "torchinfo 1.8.0: torchinfo/layer_info.py", count_torchinfo<TorchinfoVersion::v1_8>,
     calls_its_modules},
    {"ptflops", "MACs",
     "Counts the multiply-accumulates of aten's mm, addmm, bmm and convolution; leaves out biases, "
     "norms, softmax, activations, and attention where it runs as one fused op.",
     "ptflops 0.7, its default backend: ptflops/aten_ops.py", count_ptflops, always},
    {"deepspeed", "FLOPs",
     "Counts two operations for every multiply-accumulate of linear layers, convolutions, matrix "
     "products and fused attention, the biases of convolutions, 5 for every element of a LayerNorm "
     "or GroupNorm, 2 of a BatchNorm, and 1 that ReLU, GELU, SiLU, pools and F.softmax read; "
     "leaves "
     "out RMSNorm, sums, products by element, and softmax that timm calls as a method.",
     "DeepSpeed's flops profiler: deepspeed/profiling/flops_profiler/profiler.py", count_deepspeed,
     always},
    {"calflops", "FLOPs",
     "Counts as deepspeed does, without fused attention and without products that are written "
     "a @ b, as timm's are.",
     "calflops 0.3: calflops/pytorch_ops.py", count_calflops, always},
    {"seed", "FLOPs",
     "Evaluates the rule of thumb l(24bsh² + 4bs²h) + 2bshV for a plain stack of transformer "
     "layers, with V = 0 where there is no vocabulary; leaves out patch embedding, norms, pooling "
     "and the classification head, and does not apply to other stacks.",
     "Narayanan et al. 2021, arXiv:2104.04473, appendix", count_seed,
     [](const Graph& graph) { return graph.plain_stack.has_value(); }},
};

constexpr Convention kActivations = {
    "activations",
    "elements",
    "Counts the elements that linear layers, convolutions and matrix products put out; leaves out "
    "every other op.",
    "fvcore ActivationCountAnalysis: fvcore/nn/activation_count.py",
    count_activations,
    always};

}  // namespace

std::span<const Convention> conventions() { return kConventions; }

const Convention* find_convention(std::string_view name) {
  const auto* found = std::find_if(std::begin(kConventions), std::end(kConventions),
                                   [&](const Convention& c) { return c.name == name; });
  return found == std::end(kConventions) ? nullptr : found;
}

const Convention& fvcore_activations() { return kActivations; }

std::optional<Count> total(const Convention& convention, const Graph& graph) {
  if (!convention.applies(graph)) return std::nullopt;
  Count sum;
  convention.visit(graph, [&](const CountedItem& item) { sum += item.formula.value(); });
  return sum;
}

Rollup roll_up(const Convention& convention, const Graph& graph) {
  std::vector<Count> own(graph.modules.size());
  convention.visit(graph, [&](const CountedItem& item) {
    try {
      own[item.module] += item.formula.value();
    } catch (const Error& error) {
      throw error.within(graph.modules[item.module].path);
    }
  });
  return roll_up_modules(graph, std::move(own));
}

std::vector<std::pair<std::string_view, Count>> by_kind(const Convention& convention,
                                                        const Graph& graph) {
  std::vector<std::pair<std::string_view, Count>> kinds;
  convention.visit(graph, [&](const CountedItem& item) {
    auto found = std::find_if(kinds.begin(), kinds.end(),
                              [&](const auto& kind) { return kind.first == item.kind; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {item.kind, Count(0)});
    found->second += item.formula.value();
  });
  return kinds;
}

}  // namespace vitals
