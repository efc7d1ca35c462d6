#include "plan/step.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace vitals::plan {
namespace {

using prices::Family;
using prices::Question;

constexpr double kMicro = 1e-6;
// Bytes of an element of activations, and of a gradient that data-parallel ranks add up.
constexpr double kHalf = 2;
constexpr double kGradient = 4;
// Of a parameter and an optimizer step: gradient, master weight and two moments read, all but the
// gradient written, and the 16-bit copy.
constexpr double kOptimizerBytes = 30;

// Prices of one layout's kernels; each shape is priced once.
class Prices {
 public:
  Prices(const prices::PriceList& list, const Machine& machine, const std::string& device,
         const std::string& precision)
      : list_(list), machine_(machine), device_(device) {
    const auto name = precision == "mxfp8" || precision == "fp8" ? "fp8"
                      : precision == "nvfp4"                     ? "nvfp4"
                                                                 : "bf16";
    format_ = prices::find_format(name);
  }

  double gemm(double m, double n, double k) {
    Question q;
    q.format = format_;
    q.sizes = {m, n, k};
    return seconds(q);
  }
  // Forward, and the two products of its backward pass.
  double forward(double m, double n, double k) { return gemm(m, n, k); }
  double backward(double m, double n, double k) { return gemm(m, k, n) + gemm(n, k, m); }

  double flash(double batch, double heads, double kv_heads, double width, double queries,
               double keys, double window) {
    Question q;
    q.family = Family::prefill;
    q.format = prices::find_format("bf16");
    q.sizes = {batch, heads, std::min(kv_heads, heads), width, queries, keys, window};
    return seconds(q);
  }

 private:
  double seconds(const Question& q) {
    auto& known = known_[{q.family, q.sizes}];
    if (known == 0) known = kMicro * prices::price(list_, q, machine_, device_, "").us;
    return known;
  }

  const prices::PriceList& list_;
  const Machine& machine_;
  std::string device_;
  const prices::Format* format_ = nullptr;
  std::map<std::pair<Family, prices::Sizes>, double> known_;
};

// A link or a network by how many GPUs take part: within the domain, or beyond it.
struct Way {
  double link = 0;
  double network = 0;
  void add(bool beyond, double bytes, double link_rate, double network_rate) {
    if (beyond)
      network += bytes / network_rate;
    else
      link += bytes / link_rate;
  }
};

class Step {
 public:
  Step(const TrainedModel& m, const Layout& l, const Machine& machine, const std::string& device,
       const prices::PriceList& list)
      : m_(m), l_(l), machine_(machine), prices_(list, machine, device, l.precision) {
    check();
    tokens_ = l.micro_batch * m.seq_len / l.cp;
    link_ = machine.link > 0 ? machine.link : 16e9;
    network_ = l.network > 0 ? l.network : 25e9;
  }

  StepWork run() {
    StepWork w;
    const double dense = m_.experts > 0 ? std::min(m_.dense_layers, m_.layers) : m_.layers;
    const auto layer = dense > 0 ? work_of_layer(false) : StageWork{};
    const auto expert_layer = m_.experts > 0 ? work_of_layer(true) : StageWork{};
    const double layers = m_.layers + m_.mtp;
    const double of_stage = std::ceil(layers / (l_.pp * l_.vpp)) * l_.vpp;
    const double share = layers > 0 ? dense / layers : 1;
    add(w.stage, layer, of_stage * share);
    add(w.stage, expert_layer, of_stage * (1 - share));
    add_head(w.stage);
    if (l_.pp > 1) w.stage.hops = 2 * l_.vpp;
    if (l_.pp > 1) w.stage.pp = 2 * l_.vpp * tokens_ * m_.hidden * kHalf / scatter() / network_;
    w.micro_batches = l_.micro_batches;
    w.gpus = l_.gpus;
    w.bubbles = (l_.pp - 1) / l_.vpp;
    add_data_parallel(w);
    w.flops = 3 * forward_flops() * l_.micro_batch * l_.micro_batches * l_.dp / l_.gpus;
    return w;
  }

 private:
  void check() const {
    if (!(m_.layers > 0 && m_.hidden > 0 && m_.heads > 0 && m_.vocab > 0 && m_.seq_len > 0))
      fail("layers, hidden, heads, vocab and seq_len must be stated");
    if (m_.ffn <= 0 && m_.moe_ffn <= 0) fail("ffn or moe_ffn must be stated");
    if (std::fmod(m_.heads, l_.tp) != 0)
      fail("tp {} does not divide the {} heads", l_.tp, m_.heads);
    if (m_.experts > 0 && std::fmod(m_.experts, l_.ep) != 0)
      fail("ep {} does not divide the {} experts", l_.ep, m_.experts);
    if (l_.pp * l_.vpp > m_.layers + m_.mtp)
      fail("pp {} x vpp {} exceed the {} layers", l_.pp, l_.vpp, m_.layers);
  }

  [[nodiscard]] double scatter() const { return l_.sp ? l_.tp : 1; }
  [[nodiscard]] double width() const {
    return m_.head_dim > 0 ? m_.head_dim : m_.hidden / m_.heads;
  }
  [[nodiscard]] double kv_heads() const { return m_.kv_heads > 0 ? m_.kv_heads : m_.heads; }
  [[nodiscard]] double bandwidth() const { return machine_.bandwidth * 0.85; }

  static void add(StageWork& to, const StageWork& of, double times) {
    for (const auto member :
         {&StageWork::product, &StageWork::attention, &StageWork::traffic, &StageWork::experts,
          &StageWork::tp_link, &StageWork::tp_network, &StageWork::ep_link, &StageWork::ep_network,
          &StageWork::launches, &StageWork::collectives})
      to.*member += times * of.*member;
  }

  // A product with its backward pass; full recomputation runs the forward pass again.
  void product(double& sum, double rows, double n, double k) {
    if (!(rows > 0 && n > 0 && k > 0)) return;
    const double again = l_.recompute == Recompute::full ? 2 : 1;
    sum += again * prices_.forward(rows, n, k) + prices_.backward(rows, n, k);
  }

  StageWork work_of_layer(bool experts) {
    StageWork w;
    const double passes = l_.recompute == Recompute::full ? 4 : 3;
    add_projections(w);
    add_attention(w);
    double inner = 0;
    if (experts) {
      add_experts(w);
      inner = (m_.topk * m_.moe_ffn / l_.etp + m_.shared_ffn / l_.tp) * (m_.gated ? 2 : 1);
      if (m_.shared_ffn > 0) add_feed_forward(w, m_.shared_ffn);
    } else {
      add_feed_forward(w, m_.ffn);
      inner = m_.ffn / l_.tp * (m_.gated ? 2 : 1);
    }
    // Norms, residuals and rotations move the residual stream; the activation its inner features.
    const double fused = l_.compiled ? 0.5 : 1;
    const double stream =
        16 * m_.hidden / scatter() + 6 * (m_.heads + kv_heads()) * width() / l_.tp;
    w.traffic += passes * tokens_ * kHalf *
                 (fused * stream + 2.5 * inner + (experts ? 4 * m_.topk * m_.hidden : 0)) /
                 bandwidth();
    w.launches = passes;
    add_split_communication(w, experts);
    return w;
  }

  void add_projections(StageWork& w) {
    if (m_.kv_lora > 0) {
      const double q_in = m_.q_lora > 0 ? m_.q_lora : m_.hidden;
      if (m_.q_lora > 0) product(w.product, tokens_, m_.q_lora, m_.hidden);
      product(w.product, tokens_, m_.heads * (m_.nope_dim + m_.rope_dim) / l_.tp, q_in);
      product(w.product, tokens_, m_.kv_lora + m_.rope_dim, m_.hidden);
      product(w.product, tokens_, m_.heads * (m_.nope_dim + m_.v_dim) / l_.tp, m_.kv_lora);
      product(w.product, tokens_, m_.hidden, m_.heads * m_.v_dim / l_.tp);
      return;
    }
    const double kv = std::max(kv_heads() / l_.tp, 1.0);
    product(w.product, tokens_, (m_.heads / l_.tp + 2 * kv) * width(), m_.hidden);
    product(w.product, tokens_, m_.hidden, m_.heads / l_.tp * width());
  }

  void add_feed_forward(StageWork& w, double inner) {
    product(w.product, tokens_, (m_.gated ? 2 : 1) * inner / l_.tp, m_.hidden);
    product(w.product, tokens_, m_.hidden, inner / l_.tp);
  }

  void add_experts(StageWork& w) {
    const double rows = tokens_ * m_.topk / l_.etp;
    product(w.experts, rows, (m_.gated ? 2 : 1) * m_.moe_ffn, m_.hidden);
    product(w.experts, rows, m_.hidden, m_.moe_ffn);
    product(w.product, tokens_, m_.experts, m_.hidden);
  }

  void add_attention(StageWork& w) {
    const double heads = m_.heads / l_.tp;
    const double d = m_.kv_lora > 0 ? 0.5 * (m_.nope_dim + m_.rope_dim + m_.v_dim) : width();
    const double queries = m_.seq_len / l_.cp;
    if (l_.flash) {
      const double kv = m_.kv_lora > 0 ? heads : std::max(1.0, kv_heads() / l_.tp);
      // With context parallelism every rank has an equal share of the causal triangle.
      const auto forward = [&](double window) {
        return prices_.flash(l_.micro_batch, heads, kv, d, m_.seq_len, m_.seq_len, window) / l_.cp;
      };
      double once = forward(0);
      if (m_.window > 0 && m_.window < m_.seq_len) once = 0.5 * (once + forward(m_.window));
      // Five products to the forward pass' two (Dao et al. 2022, arXiv:2205.14135).
      const double again = l_.recompute == Recompute::full ? 2 : 1;
      w.attention += once * (again + 2.5);
      return;
    }
    // Written out: whole squares of scores in 16 bits, softmax, mask and dropout over them.
    const double passes = l_.recompute == Recompute::none ? 3 : 4;
    const double scores = l_.micro_batch * heads * queries * m_.seq_len;
    const double peak = machine_.bf16.value_or(machine_.fp16.value_or(1e12));
    w.attention += passes * (4 * scores * d / (0.45 * peak) + 10 * scores * kHalf / bandwidth());
  }

  // All-reduce behind attention and the feed-forward, or reduce-scatter and all-gather: the same
  // bytes. Once in the forward and once in the backward pass.
  void add_split_communication(StageWork& w, bool experts) {
    const double passes = l_.recompute == Recompute::full ? 3 : 2;
    Way tp;
    if (l_.tp > 1) {
      const double bytes = (experts && m_.shared_ffn <= 0 ? 1 : 2) * passes * 2 * (l_.tp - 1) /
                           l_.tp * tokens_ * m_.hidden * kHalf;
      tp.add(l_.tp > l_.domain, bytes, link_, network_ * l_.domain);
      w.collectives += 2 * passes;
    }
    if (l_.cp > 1) {  // keys and values travel around; computation hides most of it
      constexpr double kExposed = 0.3;
      const double bytes = kExposed * 3 * 2 * std::max(kv_heads() / l_.tp, 1.0) * width() * kHalf *
                           tokens_ * (l_.cp - 1);
      tp.add(l_.tp * l_.cp > l_.domain, bytes, link_, network_);
    }
    w.tp_link += tp.link;
    w.tp_network += tp.network;
    if (!experts || l_.ep <= 1) return;
    Way ep;
    const double bytes =
        passes * 2 * tokens_ * m_.topk * m_.hidden * kHalf * (l_.ep - 1) / l_.ep / scatter();
    ep.add(l_.ep * l_.etp > l_.domain, bytes, link_, network_);
    w.collectives += 2 * passes;
    w.ep_link += ep.link;
    w.ep_network += ep.network;
  }

  // Logits and loss on the last stage: what a stage takes beside its layers.
  void add_head(StageWork& w) {
    StageWork head;
    const double words = m_.vocab / l_.tp;
    const double products =
        prices_.forward(tokens_, words, m_.hidden) + prices_.backward(tokens_, words, m_.hidden);
    const double of_stages = l_.pp > 1 ? 1 : 1 + m_.mtp;
    head.product = products * of_stages;
    head.traffic = tokens_ * words * 16 * of_stages / bandwidth();
    head.launches = 1;
    add(w, head, 1);
  }

  void add_data_parallel(StepWork& w) const {
    const auto local = local_params(m_, l_);
    const double ranks = l_.dp * l_.cp;
    const bool beyond = ranks * l_.tp > l_.domain;
    const double sharded = ranks > 1 ? ranks : 1;
    // What a node receives it receives once, through the adapters of all members of the group.
    const double members = std::clamp(l_.domain / l_.tp, 1.0, l_.dp * l_.cp);
    if (l_.zero == 3 && ranks > 1) {  // gathered for the forward and the backward pass, reduced
      const double bytes = 3 * kHalf * (local.dense + local.experts) * (ranks - 1) / ranks;
      Way way;
      way.add(beyond, bytes, link_, network_ * members);
      w.fsdp_link = way.link;
      w.fsdp_network = way.network;
    } else if (ranks > 1) {
      Way way;
      const double each = kGradient + (l_.zero > 0 ? kHalf : kGradient);
      const double expert_ranks = std::max(1.0, ranks / l_.ep);
      way.add(beyond,
              each * (local.dense * (ranks - 1) / ranks +
                      local.experts * (expert_ranks - 1) / expert_ranks),
              link_, network_ * members);
      w.dp_link = way.link;
      w.dp_network = way.network;
    }
    const double kept = (local.dense + local.experts) / (l_.zero > 0 ? sharded : 1);
    w.optimizer = kOptimizerBytes * kept / bandwidth();
  }

  // Of one sample: products of all layers and half of the square of scores.
  [[nodiscard]] double forward_flops() const {
    Layout one = l_;
    one.tp = one.pp = one.vpp = one.ep = one.etp = one.cp = 1;
    const auto all = local_params(m_, one);
    const double active = all.dense - m_.vocab * m_.hidden * (m_.tied ? 0 : 1) +
                          (m_.experts > 0 ? all.experts * m_.topk / m_.experts : 0);
    const double d = m_.kv_lora > 0 ? 0.5 * (m_.nope_dim + m_.rope_dim + m_.v_dim) : width();
    return m_.seq_len * (2 * active + 2 * m_.layers * m_.heads * d * m_.seq_len);
  }

  const TrainedModel& m_;
  const Layout& l_;
  const Machine& machine_;
  Prices prices_;
  double tokens_ = 0;
  double link_ = 0;
  double network_ = 0;
};

}  // namespace

const std::array<StepFactorField, 12>& step_factor_fields() {
  static const std::array<StepFactorField, 12> fields = {
      {{"product", &StepFactors::product, 0.3},
       {"attention", &StepFactors::attention, 0.5},
       {"traffic", &StepFactors::traffic, 0.5},
       {"layer_us", &StepFactors::layer_us, 2},
       {"collective_us", &StepFactors::collective_us, 2},
       {"hop_ms", &StepFactors::hop_ms, 2},
       {"link", &StepFactors::link, 0.4},
       {"network", &StepFactors::network, 0.6},
       {"data_exposed", &StepFactors::data_exposed, 1},
       {"fixed_ms", &StepFactors::fixed_ms, 2},
       {"scale_gpus", &StepFactors::scale_gpus, 1},
       {"experts", &StepFactors::experts, 0.5}}};
  return fields;
}

LocalParams local_params(const TrainedModel& m, const Layout& l) {
  const double width = m.head_dim > 0 ? m.head_dim : m.hidden / m.heads;
  const double kv = m.kv_heads > 0 ? m.kv_heads : m.heads;
  double attention = 2 * m.hidden * width * (m.heads + kv);
  if (m.kv_lora > 0)
    attention = (m.q_lora > 0 ? m.hidden * m.q_lora + m.q_lora * m.heads * (m.nope_dim + m.rope_dim)
                              : m.hidden * m.heads * (m.nope_dim + m.rope_dim)) +
                m.hidden * (m.kv_lora + m.rope_dim) + m.kv_lora * m.heads * (m.nope_dim + m.v_dim) +
                m.heads * m.v_dim * m.hidden;
  const double matrices = m.gated ? 3 : 2;
  const double layers = m.layers + m.mtp;
  const double dense = m.experts > 0 ? std::min(m.dense_layers, layers) : layers;
  const double mixed = layers - dense;
  const double words = m.vocab * m.hidden;
  LocalParams p;
  p.dense = (attention * layers + matrices * m.hidden * (m.ffn * dense + m.shared_ffn * mixed)) /
                l.tp / l.pp +
            words * (l.pp > 1 || m.tied ? 1 : 2) / l.tp;
  p.experts = mixed * m.experts * matrices * m.hidden * m.moe_ffn / l.pp / l.ep / l.etp;
  return p;
}

StepWork step_work(const TrainedModel& model, const Layout& layout, const Machine& machine,
                   const std::string& device, const prices::PriceList& list) {
  return Step(model, layout, machine, device, list).run();
}

StepTime step_time(const StepWork& w, const StepFactors& f, double device_factor) {
  StepTime t;
  const double n = w.micro_batches;
  t.product = n * f.product * w.stage.product;
  t.attention = n * f.attention * w.stage.attention;
  t.elementwise = n * f.traffic * w.stage.traffic;
  t.experts = n * f.experts * f.product * w.stage.experts;
  t.tp = n * (w.stage.tp_link / f.link + w.stage.tp_network / f.network);
  t.ep = n * (w.stage.ep_link / f.link + w.stage.ep_network / f.network);
  t.pp = n * w.stage.pp / f.network;
  const double device = t.product + t.attention + t.elementwise + t.experts + t.tp + t.ep + t.pp;
  // The host runs ahead of the device where it can; the slower of the two is seen.
  const double host =
      n * (w.stage.launches * f.layer_us * 1e-6 + w.stage.collectives * f.collective_us * 1e-6 +
           w.stage.hops * f.hop_ms * 1e-3);
  constexpr double kPower = 4;
  const double busy = std::pow(std::pow(device, kPower) + std::pow(host, kPower), 1 / kPower);
  t.host = busy - device + 1e-3 * f.fixed_ms;
  t.bubble = busy / n * w.bubbles;
  const double sharded = n * (w.fsdp_link / f.link + w.fsdp_network / f.network);
  // Gathering runs ahead of the computation: what is longer shows, and a share of the rest.
  t.dp = std::max(0.0, sharded - busy) + f.data_exposed * std::min(sharded, busy) +
         f.data_exposed * (w.dp_link / f.link + w.dp_network / f.network);
  t.optimizer = w.optimizer;
  constexpr double kMost = 6;  // beyond what was measured nothing is known
  t.stragglers = t.seconds() * std::min(kMost, std::pow(w.gpus / f.scale_gpus, 3));
  for (const auto part :
       {&StepTime::product, &StepTime::attention, &StepTime::elementwise, &StepTime::experts,
        &StepTime::tp, &StepTime::ep, &StepTime::pp, &StepTime::dp, &StepTime::bubble,
        &StepTime::optimizer, &StepTime::host, &StepTime::stragglers})
    t.*part *= device_factor;
  return t;
}

}  // namespace vitals::plan
