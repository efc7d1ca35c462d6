#include "models/text/compressed_decoder.h"

#include "models/text/decoder_config.h"
#include "models/text/decoder_layers.h"
#include "models/text/hidden_fields.h"

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

using Config = CompressedDecoderConfig;

NormOptions rms_of(const Config& c) {
  return {.rms = true, .eps = c.norm_layer.eps.value_or(1e-6)};
}

Tensor unweighted_norm(Builder& b, Tensor x, const Config& c) {
  return b.add(op::RmsNorm{c.norm_layer.eps.value_or(1e-6), false}, {x});
}

// The feed-forward is a mixture like those of other decoders.
DecoderConfig mixture_of(const Config& c, bool hashed) {
  DecoderConfig d;
  d.hidden_size = c.hidden_size;
  d.num_hidden_layers = c.num_hidden_layers;
  d.mlp_gated = true;
  d.mlp_bias = false;
  d.hidden_act = "silu";
  d.num_experts = c.num_experts;
  d.num_experts_per_tok = c.num_experts_per_tok;
  d.moe_intermediate_size = c.moe_intermediate_size;
  d.shared_expert_intermediate_size = c.shared_expert_intermediate_size;
  d.router_activation = "sigmoid";
  d.router_correction_bias = !hashed;
  d.router_correction_buffer = true;
  return d;
}

// The last features of every head, rotated.
Tensor turned_tail(Builder& b, Tensor x, Tensor table, const Config& c) {
  const auto rest = x.dim(-1) - c.rotary_dim;
  const op::Rope rope{c.rotary_dim, false};
  if (rest == 0) return b.add(rope, {x, table});
  const auto parts = b.split(x, -1, {rest, c.rotary_dim});
  const auto tail = b.add(rope, {parts[1], table});
  return b.concat({parts[0], tail}, -1);
}

// Of every window of `ratio` tokens one vector of `width` features, as many as fit into the text:
// [B, windows, width]. Overlapping windows have a second series, which the next window reads.
Tensor compressed(Builder& b, Tensor x, std::uint64_t ratio, std::uint64_t width, const Config& c) {
  const bool overlaps = ratio == c.overlapping_ratio;
  const auto features = (overlaps ? 2 : 1) * width;
  const auto values = linear(b, "kv_proj", x, features, Role::key_value_latent, false);
  const auto gates = linear(b, "gate_proj", x, features, Role::gate, false);
  const auto bias = b.parameter("position_bias", {ratio, features}, Role::position_bias);
  const auto batch = x.dim(0);
  const auto past = b.options().past_len / ratio;
  const auto windows = x.dim(1) / ratio;
  b.keep_cache({.key = std::max<std::uint64_t>(width / ratio, 1), .value = 0, .heads = 1});
  Tensors all;
  if (past > 0) all.push_back(b.state({batch, past, width}));
  // The norm's weight is there, whether or not a window has closed.
  const auto none = b.constant({batch, 0, width});
  if (windows == 0) {
    const auto kept = norm(b, "kv_norm", none, rms_of(c));
    return all.empty() ? kept : all.front();
  }
  const Shape shape{batch, windows, ratio, features};
  auto chunk = b.reshape(b.slice(values, 1, 0, windows * ratio), shape);
  auto gate = b.reshape(b.slice(gates, 1, 0, windows * ratio), shape) + bias;
  if (overlaps) {
    const auto both = [&](Tensor t) {
      const auto own = b.slice(t, -1, width, width);
      const auto before = b.slice(b.slice(t, -1, 0, width), 1, 0, windows - 1);
      const auto first = b.zeros({batch, 1, ratio, width});
      const auto shifted = windows > 1 ? b.concat({first, before}, 1) : first;
      return b.concat({shifted, own}, 2);
    };
    chunk = both(chunk);
    gate = both(gate);
  }
  const auto weights = b.add(op::Softmax{false, 2}, {gate});
  const auto weighed = chunk * weights;
  auto y = b.add(op::Reduce{op::ReduceKind::sum, 2}, {weighed});
  y = norm(b, "kv_norm", y, rms_of(c));
  const auto table = b.constant({windows, 2 * c.rotary_dim});
  all.push_back(b.reshape(turned_tail(b, b.reshape(y, {batch, 1, windows, width}), table, c),
                          {batch, windows, width}));
  return all.size() == 1 ? all.front() : b.concat(all, 1);
}

// Which compressed keys a token attends to (arXiv:2512.02556, section 2.1).
void index_compressed(Builder& b, Tensor x, Tensor query_latent, Tensor table, const Config& c) {
  b.call("indexer", {"Indexer", Role::attention}, Tensors{x}, [&] {
    const auto heads = c.index_n_heads;
    const auto keys = compressed(b, x, c.overlapping_ratio, c.index_head_dim, c);
    auto q = linear(b, "q_b_proj", query_latent, heads * c.index_head_dim, Role::other, false);
    q = turned_tail(b, heads_of(b, q, heads), table, c);
    return b.call("scorer", "IndexerScorer", {q, keys}, [&] {
      const auto weights = linear(b, "weights_proj", x, heads, Role::other, false);
      const auto count = keys.dim(1);
      const auto wide = b.expand(b.reshape(keys, {x.dim(0), 1, count, c.index_head_dim}),
                                 {x.dim(0), heads, count, c.index_head_dim});
      auto scores = b.matmul(q, b.transpose(wide, 2, 3));
      scores = b.activation(scores, op::ActivationKind::relu);
      scores = scores * b.reshape(b.transpose(weights, 1, 2), {x.dim(0), heads, x.dim(1), 1});
      scores = b.add(op::Reduce{op::ReduceKind::sum, 1}, {scores});
      return count > 0 ? b.add(op::TopK{std::min(c.index_topk, count)}, {scores}) : scores;
    });
  });
}

// Each group of heads to o_lora_rank features by a matrix of its own, then all to the width.
Tensor grouped_output(Builder& b, Tensor y, const Config& c) {
  const auto rows = y.dim(0) * y.dim(1);
  const auto in = y.dim(2) / c.o_groups;
  const auto low = b.call("o_a_proj", {"GroupedLinear", Role::attention_output}, {y}, [&] {
    const auto weight = b.parameter("weight", {c.o_groups * c.o_lora_rank, in});
    const auto by_group = b.transpose(b.reshape(weight, {c.o_groups, c.o_lora_rank, in}), 1, 2);
    const auto x = b.permute(b.reshape(y, {rows, c.o_groups, in}), {1, 0, 2});
    const auto product = b.matmul(x, by_group);
    return b.reshape(b.permute(product, {1, 0, 2}),
                     {y.dim(0), y.dim(1), c.o_groups * c.o_lora_rank});
  });
  return linear(b, "o_b_proj", low, c.hidden_size, Role::attention_output, false);
}

// One key for all heads, which is the value, too, and a sink for each head.
Tensor shared_key_attention(Builder& b, Tensor x, Tensor table, std::uint64_t ratio,
                            const Config& c) {
  const auto heads = c.num_attention_heads;
  b.keep_cache({.key = c.head_dim, .value = 0, .heads = 1, .window = c.sliding_window});
  auto latent = linear(b, "q_a_proj", x, c.q_lora_rank, Role::query_latent, false);
  latent = norm(b, "q_a_norm", latent, rms_of(c));
  const auto wide = linear(b, "q_b_proj", latent, heads * c.head_dim, Role::query, false);
  auto q = unweighted_norm(b, heads_of(b, wide, heads), c);
  q = turned_tail(b, q, table, c);
  auto kv = linear(b, "kv_proj", x, c.head_dim, Role::key_value, false);
  kv = norm(b, "kv_norm", kv, rms_of(c));
  kv = turned_tail(b, heads_of(b, kv, 1), table, c);
  const auto batch = x.dim(0);
  if (const auto past = cached_tokens(b.options().past_len, c.sliding_window); past > 0)
    kv = b.concat({b.state({batch, 1, past, c.head_dim}), kv}, 2);
  if (ratio > 0) {
    const auto far = b.call("compressor", "Compressor", {x, latent}, [&] {
      const auto keys = compressed(b, x, ratio, c.head_dim, c);
      if (ratio == c.overlapping_ratio) index_compressed(b, x, latent, table, c);
      return keys;
    });
    if (far.dim(1) > 0) kv = b.concat({kv, b.reshape(far, {batch, 1, far.dim(1), c.head_dim})}, 2);
  }
  AttentionCore core;
  core.scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  core.drop_name = "";
  core.mask = b.constant({x.dim(1), kv.dim(2)});
  core.sinks = b.parameter("sinks", {heads}, Role::sink);
  const auto keys = repeat_heads(b, kv, heads);
  auto y = attention_core(b, q, keys, keys, core);
  y = turned_tail(b, y, table, c);
  return grouped_output(b, merge_heads(b, y), c);
}

// [B, s, n, h]: the weights that collapse the streams, [B, s, n], those that spread the result over
// them, and those that mix them, [B, s, n, n].
struct Mixing {
  Tensor collapsed;  // [B, s, h]
  Tensor post;
  Tensor comb;
};

Tensor collapse(Builder& b, Tensor streams, Tensor weights) {
  const auto shape = streams.shape();
  const auto weighed = b.reshape(weights, {shape[0], shape[1], shape[2], 1}) * streams;
  return b.add(op::Reduce{op::ReduceKind::sum, 2}, {weighed});
}

// Rows and columns are divided by their sums in turn (Sinkhorn and Knopp).
Tensor doubly_stochastic(Builder& b, Tensor x, std::uint64_t iterations) {
  const auto divided = [&](Tensor t, int axis) {
    const auto sum = b.add(op::Reduce{op::ReduceKind::sum, axis, true}, {t});
    return b.add(op::Binary{op::BinaryKind::div}, {t, sum});
  };
  x = divided(x, -2);
  for (std::uint64_t i = 1; i < iterations; ++i) {
    x = divided(x, -1);
    x = divided(x, -2);
  }
  return x;
}

Mixing mixing(Builder& b, std::string_view name, Tensor streams, const Config& c) {
  const auto n = c.hc_mult;
  const auto batch = streams.dim(0);
  const auto s = streams.dim(1);
  std::optional<Mixing> mixed;
  (void)b.call(name, "HyperConnection", {streams}, [&] {
    const auto flat = b.reshape(streams, {batch, s, n * c.hidden_size});
    const auto normed = unweighted_norm(b, flat, c);
    const auto fn = b.param("fn", {(2 + n) * n, n * c.hidden_size}, Role::projection);
    const auto base = b.parameter("base", {(2 + n) * n}, Role::other, true);
    const auto scale = b.parameter("scale", {3}, Role::other);
    const auto weights = b.linear(normed, (2 + n) * n, fn);
    const auto parts = b.split(weights, -1, {n, n, n * n});
    const auto biases = b.split(base, 0, {n, n, n * n});
    const auto scales = b.split(scale, 0, {1, 1, 1});
    const auto pre = b.activation(parts[0] * scales[0] + biases[0], op::ActivationKind::sigmoid);
    const auto post =
        b.activation(parts[1] * scales[1] + biases[1], op::ActivationKind::sigmoid) * 2.0;
    const auto raw = parts[2] * scales[2] + biases[2];
    const auto rows = b.softmax(b.reshape(raw, {batch, s, n, n}));
    const auto comb = doubly_stochastic(b, rows, c.hc_sinkhorn_iters);
    mixed = Mixing{collapse(b, streams, pre), post, comb};
    return Tensors{mixed->collapsed, mixed->post, mixed->comb};
  });
  return *mixed;
}

// post * y + comb^T streams
Tensor spread(Builder& b, Tensor streams, Tensor y, const Mixing& m) {
  const auto shape = streams.shape();
  const auto weights = b.reshape(m.post, {shape[0], shape[1], shape[2], 1});
  const auto wide = weights * b.reshape(y, {shape[0], shape[1], 1, shape[3]});
  const auto kept = b.matmul(b.transpose(m.comb, 2, 3), streams);
  return wide + kept;
}

Tensor compressed_layer(Builder& b, Tensor streams, Tensor table, std::uint64_t index,
                        const Config& c) {
  const auto ratio = index < c.compress_ratios.size() ? c.compress_ratios[index] : 0;
  const auto before = mixing(b, "attn_hc", streams, c);
  const auto normed = norm(b, "input_layernorm", before.collapsed, rms_of(c));
  const auto type = attention_type("Attention", c.num_attention_heads, 1);
  const auto attended = b.call("self_attn", type, {normed},
                               [&] { return shared_key_attention(b, normed, table, ratio, c); });
  const auto between = spread(b, streams, attended, before);
  const auto middle = mixing(b, "ffn_hc", between, c);
  const auto input = norm(b, "post_attention_layernorm", middle.collapsed, rms_of(c));
  const bool hashed = index < c.num_hash_layers;
  const auto mixture = mixture_of(c, hashed);
  static const std::vector<std::string> kChanges = {"router=gate"};
  const auto names = decoder_names("gpt_oss", kChanges);
  const auto y = decoder_feed_forward(b, input, DecoderContext{mixture, names}, index);
  // A fixed table of experts by word stands for the choice of the first layers.
  if (hashed)
    (void)b.within("mlp", "MoE", [&] {
      return b.within("gate", "Router", [&] {
        return b.buffer("tid2eid", {c.vocab_size, c.num_experts_per_tok}, DType::i64);
      });
    });
  return spread(b, between, y, middle);
}

Tensor collapsed_streams(Builder& b, Tensor streams, const Config& c) {
  return b.call("hc_head", "HyperHead", {streams}, [&] {
    const auto n = c.hc_mult;
    const auto flat = b.reshape(streams, {streams.dim(0), streams.dim(1), n * c.hidden_size});
    const auto normed = unweighted_norm(b, flat, c);
    const auto fn = b.param("hc_fn", {n, n * c.hidden_size}, Role::projection);
    const auto base = b.parameter("hc_base", {n}, Role::other, true);
    const auto scale = b.parameter("hc_scale", {1}, Role::other);
    const auto mixes = b.linear(normed, n, fn) * scale + base;
    return collapse(b, streams, b.activation(mixes, op::ActivationKind::sigmoid));
  });
}

void validate_compressed(const Config& c) {
  if (c.num_attention_heads * c.head_dim % c.o_groups != 0)
    fail("/o_groups: {} groups do not divide {} heads of {} features", c.o_groups,
         c.num_attention_heads, c.head_dim);
  if (c.rotary_dim % 2 != 0 || c.rotary_dim > c.head_dim || c.rotary_dim > c.index_head_dim)
    fail("/rotary_dim: {} is odd, or more than a head's {} or an indexer's {} features",
         c.rotary_dim, c.head_dim, c.index_head_dim);
  if (!c.compress_ratios.empty() && c.compress_ratios.size() < c.num_hidden_layers)
    fail("/compress_ratios: {} entries for {} layers", c.compress_ratios.size(),
         c.num_hidden_layers);
  if (c.num_experts_per_tok > c.num_experts)
    fail("/num_experts_per_tok: {} of {} experts cannot be chosen", c.num_experts_per_tok,
         c.num_experts);
}

Tensors forward_compressed(Builder& b, const Config& c) {
  const auto& options = b.options();
  const auto s =
      options.seq_len > 0 ? options.seq_len : std::min(c.max_position_embeddings, kDefaultSeqLen);
  auto& graph = b.graph();
  const bool with_head = c.head == "lm";
  graph.modules[0].type = with_head ? "CompressedDecoderForCausalLM" : "CompressedDecoder";
  graph.num_tokens = s;
  const auto ids = b.input({options.batch, s}, DType::i64);
  ParamId table = kNone;
  const auto run = [&] {
    const auto x = embedding(b, "embed_tokens", ids, c.vocab_size, c.hidden_size, Role::embedding);
    table = b.graph().nodes[x.id()].params[0];
    const auto places = b.constant({s, 2 * c.rotary_dim});
    auto streams = b.contiguous(b.expand(b.reshape(x, {options.batch, s, 1, c.hidden_size}),
                                         {options.batch, s, c.hc_mult, c.hidden_size}));
    streams = b.within("layers", kModuleList, [&] {
      auto y = streams;
      for (std::uint64_t i = 0; i < c.num_hidden_layers; ++i)
        y = b.layer(i, "DecoderLayer", {y}, [&] { return compressed_layer(b, y, places, i, c); });
      return y;
    });
    return norm(b, "norm", collapsed_streams(b, streams, c), rms_of(c));
  };
  if (!with_head) return {run()};
  auto x = b.call("model", "CompressedDecoder", {ids}, run);
  if (options.last_logits) x = b.slice(x, 1, s - 1, 1);
  return {b.call("lm_head", {"Linear", Role::head, TorchClass::linear}, {x}, [&] {
    const auto weight =
        c.tie_word_embeddings ? table : b.param("weight", {c.vocab_size, c.hidden_size});
    return b.linear(x, c.vocab_size, weight);
  })};
}

std::vector<Field> compressed_fields() {
  using C = Config;
  const auto count = [](Field f) { return std::move(f).between(1, kMaxWidth); };
  return {
      count(field<&C::vocab_size>("vocab_size", "Words of the vocabulary.")),
      count(field<&C::hidden_size>("hidden_size", "Width of a stream.")),
      field<&C::num_hidden_layers>("num_hidden_layers", "Number of layers.").at_most(kMaxDepth),
      count(field<&C::num_attention_heads>("num_attention_heads", "Attention heads.")),
      count(field<&C::head_dim>("head_dim", "Features of a head, and of the one key and value.")),
      count(field<&C::rotary_dim>("rotary_dim", "Last features of a head, which are rotated.")),
      count(field<&C::q_lora_rank>("q_lora_rank", "Width of the latent of queries.")),
      count(field<&C::o_groups>("o_groups", "Groups of heads with an output matrix of their own.")),
      count(field<&C::o_lora_rank>("o_lora_rank", "Features that each group gives.")),
      count(field<&C::sliding_window>("sliding_window", "Tokens that are seen as they are.")),
      field<&C::compress_ratios>("compress_ratios",
                                 "Tokens of a compressed key, by layer; 0: the layer has none. "
                                 "null: none has any.")
          .at_most(kMaxWidth)
          .or_null(),
      count(field<&C::overlapping_ratio>(
          "overlapping_ratio", "The ratio whose windows overlap, and are chosen by an indexer.")),
      count(field<&C::index_n_heads>("index_n_heads", "Heads of the indexer.")),
      count(field<&C::index_head_dim>("index_head_dim", "Features of its heads.")),
      count(field<&C::index_topk>("index_topk", "Compressed keys that it chooses for a token.")),
      field<&C::hc_mult>("hc_mult", "Residual streams.").between(1, 1024),
      field<&C::hc_sinkhorn_iters>("hc_sinkhorn_iters",
                                   "Times that the mixing weights are normalised.")
          .between(1, 1000),
      field<&C::num_experts>("num_experts", "Experts of a layer.").between(1, 1e6),
      field<&C::num_experts_per_tok>("num_experts_per_tok", "Experts that a token is sent to.")
          .between(1, 1e6),
      count(field<&C::moe_intermediate_size>("moe_intermediate_size", "Width inside an expert.")),
      count(field<&C::shared_expert_intermediate_size>("shared_expert_intermediate_size",
                                                       "Width of the expert that all pass.")),
      field<&C::num_hash_layers>("num_hash_layers",
                                 "First layers whose experts a fixed table chooses by word.")
          .at_most(kMaxDepth),
      field<&C::max_position_embeddings>("max_position_embeddings", "Most tokens.").between(1, 1e9),
      field<&C::tie_word_embeddings>("tie_word_embeddings", "The head is the embedding's table."),
      field<&C::norm_layer>("norm_layer", "Norm of the layers.").one_of({"RmsNorm"}).takes("eps"),
      field<&C::head>("head", "What stands behind the layers.").one_of({"lm", "none"}),
  };
}

}  // namespace

Architecture compressed_decoder_architecture() {
  auto a = architecture<Config, validate_compressed, forward_compressed>(
      "compressed_decoder",
      "Decoder with compressed keys and several residual streams: DeepSeek-V4.");
  a.fields = compressed_fields();
  return a;
}

}  // namespace vitals
