#include "rules/field_rules.h"

#include "core/error.h"
#include "cost/macs.h"
#include "cost/rollup.h"
#include "cost/training_flops.h"
#include "memory/estimate.h"
#include "rules/layer_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

constexpr const char* kMegatron = "Shoeybi et al. 2019, arXiv:1909.08053; l(12h^2 + 13h) + Vh";
constexpr const char* kNarayanan = "Narayanan et al. 2021, arXiv:2104.04473, appendix";
constexpr const char* kKorthikanti = "Korthikanti et al. 2022, arXiv:2205.05198, table 2";
constexpr const char* kKaplan = "Kaplan et al. 2020, arXiv:2001.08361, section 2.1";
constexpr const char* kZero = "Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1";
constexpr const char* kVaswani = "Vaswani et al. 2017, arXiv:1706.03762, table 1";

// The factors of the rules by their usual letters.
struct Letters {
  Formula::Factor l, h, a, s, b, V;
};

Formula::Factor number(std::uint64_t n) { return {nullptr, n}; }

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string attention_remark(const ModelSizes& z, const LayerFacts& f, const LayerParts& params) {
  if (params.attention == Count(0)) return "no attention in this layer";
  std::vector<std::string> parts;
  if (!f.attention_bias) parts.emplace_back("no biases: 4h falls away");
  if (z.kv_heads < z.heads)
    parts.push_back(fmt::format("keys and values of {} heads for {} of queries: 2h^2 becomes {}",
                                z.kv_heads, z.heads, "2h^2 x kv_heads / heads"));
  return joined(parts);
}

std::string feed_forward_remark(const ModelSizes& z, const LayerFacts& f) {
  std::vector<std::string> parts;
  const double ratio = static_cast<double>(f.inner) / static_cast<double>(z.hidden);
  if (f.gated)
    parts.push_back(fmt::format("gated: three matrices of h x {}, 3 x {:.4g} h^2 instead of 8h^2",
                                f.inner, ratio));
  else if (f.inner != 0 && f.inner != 4 * z.hidden)
    parts.push_back(fmt::format("inner width {} = {:.4g} h: {:.4g} h^2 instead of 8h^2", f.inner,
                                ratio, 2 * ratio));
  if (!f.feed_forward_bias) parts.emplace_back("no biases: 5h falls away");
  if (f.experts > 0) parts.push_back(fmt::format("{} experts, each of that size", f.experts));
  return joined(parts);
}

std::string norms_remark(const LayerFacts& f) {
  std::vector<std::string> parts;
  if (f.norms != 2) parts.push_back(fmt::format("{} norms", f.norms));
  if (!f.norm_bias) parts.emplace_back("weights only: h a norm instead of 2h");
  return joined(parts);
}

class RuleBook {
 public:
  RuleBook(const RuleGraphs& graphs, const RuleOptions& options)
      : graphs_(graphs), layers_(layers_of(graphs.evaluated)) {
    if (layers_.empty())
      fail("{} is no stack of transformer layers: the rules of thumb do not apply to it",
           graphs.evaluated.model);
    measure();
    parameters_of_a_layer();
    parameters_of_the_model();
    forward_flops();
    memory();
    compute();
    for (auto& line : layer_types(rules_.sizes.tokens, rules_.sizes.hidden, options))
      rules_.lines.push_back(std::move(line));
    if (!rules_.equal_layers)
      rules_.notes.push_back(fmt::format(
          "The layers of {} differ: \"of a layer\" is the first one ({}), h is its width and s are "
          "its tokens; the model's lines take all layers.",
          graphs.evaluated.model, graphs.evaluated.modules[layers_.front().module].path));
    rules_.notes.push_back(fmt::format(
        "The restricted self-attention looks at r = {} positions, the convolution at k = {}: "
        "--window and --kernel change them.",
        options.window, options.kernel));
  }

  FieldRules take() { return std::move(rules_); }

 private:
  void measure() {
    const auto& graph = graphs_.evaluated;
    rules_.sizes = model_sizes(graph);
    facts_ = layer_facts(graph, layers_.front().module);
    for (const auto& layer : layers_)
      rules_.equal_layers &= layer.params.sum() == layers_.front().params.sum();
    const auto& z = rules_.sizes;
    letters_ = {{"l", z.layers}, {"h", z.hidden}, {"a", z.heads},
                {"s", z.tokens}, {"b", z.batch},  {"V", z.vocab}};
  }

  void add(const char* section, const char* quantity, Formula rule, RuleUnit unit,
           std::optional<Count> exact, std::string remark, const char* source) {
    rules_.lines.push_back(
        {section, quantity, rule, unit, exact, std::move(remark), source, {}, {}});
  }

  void parameters_of_a_layer() {
    constexpr auto section = "parameters of a layer";
    const auto& [l, h, a, s, b, V] = letters_;
    const auto& p = layers_.front().params;
    const auto u = RuleUnit::parameters;
    Formula attention{number(4), h, h};
    attention.plus({number(4), h});
    Formula feed_forward{number(8), h, h};
    feed_forward.plus({number(5), h});
    Formula layer{number(12), h, h};
    layer.plus({number(13), h});
    add(section, "attention", attention, u, p.attention, attention_remark(rules_.sizes, facts_, p),
        kMegatron);
    add(section, "feed-forward (MLP)", feed_forward, u, p.feed_forward,
        feed_forward_remark(rules_.sizes, facts_), kMegatron);
    add(section, "two LayerNorms", {number(4), h}, u, p.norms, norms_remark(facts_), kMegatron);
    if (p.other > Count(0))
      add(section, "no term", {}, u, p.other, "router, scales, biases of scores: the rule has none",
          kMegatron);
    add(section, "layer", layer, u, p.sum(), "", kMegatron);
  }

  void parameters_of_the_model() {
    constexpr auto section = "parameters of the model";
    const auto& [l, h, a, s, b, V] = letters_;
    const auto u = RuleUnit::parameters;
    const auto& graph = graphs_.evaluated;
    Count in_layers;
    for (const auto& layer : layers_) in_layers += layer.params.sum();
    Formula stack{l, number(12), h, h};
    stack.plus({l, number(13), h});
    Formula model = stack;
    Count embedding;
    Count rest;
    std::vector<std::string> omitted;
    for (const auto& param : graph.params) {
      if (param.buffer || enclosing(graph, param.module, Role::layer) != kNone) continue;
      if (param.role == Role::embedding) {
        embedding += numel(param);
        continue;
      }
      rest += numel(param);
      const auto name = std::string(name_of(param.role));
      if (std::find(omitted.begin(), omitted.end(), name) == omitted.end()) omitted.push_back(name);
    }
    add(section, "layers", stack, u, in_layers, rules_.equal_layers ? "" : "layers differ in size",
        kMegatron);
    if (rules_.sizes.vocab > 0) {
      add(section, "vocabulary", {V, h}, u, embedding, "", kMegatron);
      model.plus({V, h});
    }
    if (rest > Count(0))
      add(section, "no term", {}, u, rest, fmt::format("omitted: {}", fmt::join(omitted, ", ")),
          kMegatron);
    add(section, "model", model, u, in_layers + embedding + rest, "", kMegatron);
  }

  void forward_flops() {
    constexpr auto of_layer = "forward FLOPs of a layer";
    constexpr auto of_model = "forward FLOPs of the model";
    const auto& [l, h, a, s, b, V] = letters_;
    const auto u = RuleUnit::flops;
    const auto& m = layers_.front().macs;
    Formula layer{number(24), b, s, h, h};
    layer.plus({number(4), b, s, s, h});
    Formula stack{l, number(24), b, s, h, h};
    stack.plus({l, number(4), b, s, s, h});
    add(of_layer, "attention's projections", {number(8), b, s, h, h}, u, m.attention * 2,
        attention_remark(rules_.sizes, facts_, layers_.front().params), kNarayanan);
    add(of_layer, "attention's two products", {number(4), b, s, s, h}, u, m.scores * 2,
        scores_remark(), kNarayanan);
    add(of_layer, "feed-forward (MLP)", {number(16), b, s, h, h}, u, m.feed_forward * 2,
        feed_forward_remark(rules_.sizes, facts_), kNarayanan);
    if (m.other > Count(0))
      add(of_layer, "no term", {}, u, m.other * 2, "router and others: the rule has none",
          kNarayanan);
    add(of_layer, "layer", layer, u, m.sum() * 2, "", kNarayanan);
    Count in_layers;
    for (const auto& each : layers_) in_layers += each.macs.sum() * 2;
    const auto all = macs_by_module(graphs_.evaluated).sum() * 2;
    const auto head = head_flops();
    add(of_model, "layers", stack, u, in_layers, "", kNarayanan);
    Formula model = stack;
    if (rules_.sizes.vocab > 0) {
      add(of_model, "logits", {number(2), b, s, h, V}, u, head,
          head == Count(0) ? "this model has no head over its vocabulary" : "", kNarayanan);
      model.plus({number(2), b, s, h, V});
    }
    const auto counted = in_layers + (rules_.sizes.vocab > 0 ? head : Count(0));
    if (all > counted)
      add(of_model, "no term", {}, u, all - counted,
          "before and after the layers: patches, classifier, pooling", kNarayanan);
    add(of_model, "model", model, u, all, "", kNarayanan);
  }

  std::string scores_remark() const {
    const auto& z = rules_.sizes;
    const auto exact = layers_.front().macs.scores * 2;
    const Formula rule{number(4), letters_.b, letters_.s, letters_.s, letters_.h};
    if (exact == rule.value()) return "";
    const auto per_query =
        exact.as_double() / (4.0 * static_cast<double>(z.batch) * static_cast<double>(z.tokens) *
                             static_cast<double>(z.hidden));
    return fmt::format("a query multiplies with {:.4g} keys of width h on average, not with s = {}",
                       per_query, z.tokens);
  }

  Count head_flops() const {
    Count flops;
    const auto& graph = graphs_.evaluated;
    const auto table = std::find_if(graph.params.begin(), graph.params.end(),
                                    [](const Param& p) { return p.role == Role::embedding; });
    for (const auto& node : graph.nodes) {
      if (node.params[0] == kNone) continue;
      const auto& param = graph.params[node.params[0]];
      const bool tied = table != graph.params.end() && &param == &*table;
      if (param.role == Role::head || tied) flops += macs(graph, node) * 2;
    }
    return flops;
  }

  void memory() {
    const Count params = parameters(graphs_.evaluated).sum();
    const Formula::Factor phi{"Φ", params.value()};
    MemoryOptions options;
    options.precision = precision("mixed20");
    options.optimizer = optimizer("adamw");
    options.composition = false;
    const auto estimate = estimate_memory(graphs_.trained, options);
    constexpr auto states = "bytes of mixed-precision AdamW";
    const auto u = RuleUnit::bytes;
    const auto master = trainable_parameters(graphs_.trained) * 4;
    Formula gradients{number(2), phi};
    gradients.plus({number(4), phi});
    Formula moments{number(4), phi};
    moments.plus({number(4), phi});
    add(states, "16-bit weights", {number(2), phi}, u, estimate.bytes.weights, "", kZero);
    add(states, "fp32 master weights", {number(4), phi}, u, master, "", kZero);
    add(states, "gradients, 16-bit and fp32", gradients, u, estimate.bytes.gradients, "", kZero);
    add(states, "AdamW's two moments", moments, u, estimate.bytes.optimizer - master,
        "and a step counter of 4 bytes for each parameter tensor", kZero);
    add(states, "training", {number(20), phi}, u,
        estimate.bytes.weights + estimate.bytes.gradients + estimate.bytes.optimizer, "", kZero);
    add("bytes of inference", "16-bit weights", {number(2), phi}, u, params * 2,
        "activations and the KV cache come on top", kZero);
    activations(estimate);
  }

  void activations(const MemoryEstimate& estimate) {
    constexpr auto section = "bytes of saved activations";
    const auto& [l, h, a, s, b, V] = letters_;
    Count kept;
    for (const auto& layer : layers_of(graphs_.trained))
      kept += estimate.activations.by_module.total[layer.module];
    Formula stack{l, number(34), s, b, h};
    stack.plus({l, number(5), a, s, s, b});
    const auto& nodes = graphs_.trained.nodes;
    const bool drops = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
      return std::holds_alternative<op::Dropout>(node.op);
    });
    add(section, "layers", stack, RuleUnit::bytes, kept,
        drops ? "written-out attention in fp16; a fused kernel keeps no a s^2 term"
              : "written-out attention in fp16, no dropout: its masks and copies (of 34sbh the "
                "masks are 2sbh, of 5as^2b they are 3as^2b) are not kept",
        kKorthikanti);
  }

  void compute() {
    const auto& z = rules_.sizes;
    const Formula::Factor n{"N", active_parameters(graphs_.trained).value()};
    const Formula::Factor d{"D", (Count(z.batch) * z.tokens).value()};
    add("training compute of one batch", "FLOPs", {number(6), n, d}, RuleUnit::flops,
        training_flops(graphs_.trained, ActivationCheckpointing::none).total(),
        z.vocab > 0 ? "N counts tables that are only looked up; attention's products have no term"
                    : "attention's products have no term",
        kKaplan);
  }

  RuleGraphs graphs_;
  std::vector<LayerCosts> layers_;
  LayerFacts facts_;
  Letters letters_{{"l", 0}, {"h", 0}, {"a", 0}, {"s", 0}, {"b", 0}, {"V", 0}};
  FieldRules rules_;
};

}  // namespace

std::string_view name_of(RuleUnit unit) {
  switch (unit) {
    case RuleUnit::parameters:
      return "parameters";
    case RuleUnit::flops:
      return "FLOPs";
    case RuleUnit::bytes:
      return "bytes";
    case RuleUnit::operations:
      return "operations";
  }
  return "";
}

std::vector<FieldRule> layer_types(std::uint64_t positions, std::uint64_t width,
                                   const RuleOptions& options) {
  const Formula::Factor n{"n", positions};
  const Formula::Factor d{"d", width};
  const Formula::Factor k{"k", options.kernel};
  const Formula::Factor r{"r", options.window};
  const auto length = static_cast<double>(positions);
  const auto kernel = static_cast<double>(options.kernel);
  const auto line = [](const char* type, Formula rule, double sequential,
                       std::optional<double> path, std::string remark) {
    return FieldRule{"layer types", type,       rule, RuleUnit::operations, {}, std::move(remark),
                     kVaswani,      sequential, path};
  };
  const std::string cheaper =
      positions < width
          ? fmt::format("n = {} < d = {}: cheaper than a recurrent layer", positions, width)
          : fmt::format("n = {} >= d = {}: no cheaper than a recurrent layer", positions, width);
  // With a kernel of one, no layer joins two positions.
  std::optional<double> hops;
  if (options.kernel > 1) hops = std::ceil(std::log(length) / std::log(kernel));
  return {line("self-attention", {n, n, d}, 1, 1, cheaper),
          line("recurrent", {n, d, d}, length, length, ""),
          line("convolutional", {k, n, d, d}, 1, hops, "path: log_k(n) dilated layers, rounded up"),
          line("restricted self-attention", {r, n, d}, 1,
               std::ceil(length / static_cast<double>(options.window)), "path: n/r, rounded up")};
}

FieldRules field_rules(const RuleGraphs& graphs, const RuleOptions& options) {
  return RuleBook(graphs, options).take();
}

}  // namespace vitals
