// Ops that ONNX Runtime's optimizer writes (onnxruntime/docs/ContribOperators.md), of the domain
// com.microsoft.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>

namespace vitals::onnx {
namespace {

Count size(std::int64_t d) { return static_cast<std::uint64_t>(d); }

Inferred pointwise(const OpContext& c) { return same_as(c); }

// x, skip, gamma, beta, bias: the normalised sum, statistics, and the sum itself.
Inferred skip_norm(const OpContext& c) {
  auto r = same_as(c);
  const Extents x = c.dims(0);
  Extents statistics = x;
  if (!statistics.empty()) statistics.back() = 1;
  r.outputs.push_back(tensor(DataType::float32, statistics));
  r.outputs.push_back(tensor(DataType::float32, statistics));
  r.outputs.push_back(tensor(c.type(0), x));
  return r;
}

Inferred fused_matmul(const OpContext& c) {
  auto matrix = [&](std::size_t i, const char* name) {
    Extents m = c.dims(i);
    if (m.size() >= 2 && c.integer(name, 0) != 0) std::swap(m[m.size() - 1], m[m.size() - 2]);
    return m;
  };
  const auto a = matrix(0, "transA");
  const auto b = matrix(1, "transB");
  if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2])
    fail("shapes {} and {} do not fit", to_string(a), to_string(b));
  Extents to = broadcast(Extents(a.begin(), a.end() - 2), Extents(b.begin(), b.end() - 2));
  to.push_back(a[a.size() - 2]);
  to.push_back(b.back());
  auto r = one(tensor(c.type(0), to));
  r.macs = numel(to) * size(a.back());
  return r;
}

Inferred fused_gemm(const OpContext& c) {
  Extents a = c.dims(0);
  Extents b = c.dims(1);
  if (a.size() != 2 || b.size() != 2) fail("the inputs are no matrices");
  if (c.integer("transA", 0) != 0) std::swap(a[0], a[1]);
  if (c.integer("transB", 0) != 0) std::swap(b[0], b[1]);
  auto r = one(tensor(c.type(0), {a[0], b[1]}));
  r.macs = numel({a[0], a[1], b[1]});
  return r;
}

// Packed low-bit weights: y = x W^T with K and N as attributes.
Inferred matmul_nbits(const OpContext& c) {
  Extents to = c.dims(0);
  const auto k = c.integer("K", 0);
  const auto n = c.integer("N", 0);
  if (to.empty() || to.back() != k) fail("the input {} does not end in {}", to_string(to), k);
  to.back() = n;
  auto r = one(tensor(c.type(0), to));
  r.macs = numel(to) * size(k);
  return r;
}

// x [batch, tokens, in], weight [in, 3 * hidden]: projection and attention.
Inferred attention(const OpContext& c) {
  const auto& x = c.dims(0);
  const auto& w = c.dims(1);
  if (x.size() != 3 || w.size() != 2)
    fail("shapes {} and {} do not fit", to_string(x), to_string(w));
  const auto heads = c.integer("num_heads", 0);
  if (heads < 1) fail("num_heads is missing");
  const auto sizes = c.list("qkv_hidden_sizes");
  const auto width = sizes.size() == 3 ? sizes[0] : w[1] / 3;
  const auto value_width = sizes.size() == 3 ? sizes[2] : w[1] / 3;
  const auto past = c.has(4) ? c.dims(4).at(3) : 0;
  const auto all = x[1] + past;
  auto r = one(tensor(c.type(0), {x[0], x[1], value_width}));
  r.outputs.push_back(tensor(c.type(0), {2, x[0], heads, all, width / heads}));
  r.macs =
      numel({x[0], x[1]}) * numel(w) + numel({x[0], x[1], all}) * (size(width) + size(value_width));
  return r;
}

// query, key, value [batch, tokens, hidden] or [batch, heads, tokens, width].
Inferred multi_head(const OpContext& c) {
  const auto& q = c.dims(0);
  const auto heads = c.integer("num_heads", 0);
  if (heads < 1 || q.size() != 3 || !c.has(1)) throw UnknownShape{};
  const auto& k = c.dims(1);
  const auto& v = c.dims(c.has(2) ? 2 : 1);
  const auto past = c.has(6) ? c.dims(6).at(2) : 0;
  const auto keys = (k.size() == 4 ? k[2] : k[1]) + past;
  const auto width = v.size() == 4 ? v[1] * v[3] : v.back();
  auto r = one(tensor(c.type(0), {q[0], q[1], width}));
  for (int i = 0; i < 2; ++i)
    r.outputs.push_back(tensor(c.type(0), {q[0], heads, keys, (i == 0 ? q[2] : width) / heads}));
  r.macs = numel({q[0], q[1], keys}) * (size(q[2]) + size(width));
  return r;
}

// query [batch, tokens, heads * width], key and value with fewer heads, past ones [batch, heads,
// tokens, width].
Inferred group_query(const OpContext& c) {
  const auto& q = c.dims(0);
  const auto heads = c.integer("num_heads", 0);
  const auto kv_heads = c.integer("kv_num_heads", 0);
  if (q.size() != 3 || heads < 1 || kv_heads < 1) fail("num_heads or kv_num_heads is missing");
  const bool packed = !c.has(1);
  const auto width = packed ? q[2] / (heads + 2 * kv_heads) : q[2] / heads;
  const auto past = c.has(3) ? c.dims(3).at(2) : 0;
  // The cache may be the buffer of the whole length.
  const auto keys = past + q[1];
  auto r = one(tensor(c.type(0), {q[0], q[1], heads * width}));
  for (int i = 0; i < 2; ++i) r.outputs.push_back(tensor(c.type(0), {q[0], kv_heads, keys, width}));
  r.macs = numel({q[0], q[1], keys, heads, width}) * 2;
  return r;
}

// input_ids, segment_ids, word, position and segment tables, gamma, beta.
Inferred embed_norm(const OpContext& c) {
  Extents to = c.dims(0);
  to.push_back(c.dims(2).at(1));
  auto r = one(tensor(c.type(2), to));
  r.outputs.push_back(tensor(DataType::int32, {to[0]}));
  r.outputs.push_back(tensor(c.type(2), to));
  return r;
}

Inferred qlinear_binary(const OpContext& c) {
  return one(tensor(c.type(0), broadcast(c.dims(0), c.dims(3))));
}

Inferred qlinear_global_pool(const OpContext& c) {
  Extents to = c.dims(0);
  for (std::size_t i = 2; i < to.size(); ++i) to[i] = 1;
  return one(tensor(c.type(0), std::move(to)));
}

Inferred dynamic_matmul(const OpContext& c) {
  const auto& a = c.dims(0);
  const auto& b = c.dims(1);
  if (a.empty() || b.size() != 2 || a.back() != b[0])
    fail("shapes {} and {} do not fit", to_string(a), to_string(b));
  Extents to = a;
  to.back() = b[1];
  auto r = one(tensor(DataType::float32, to));
  r.macs = numel(to) * size(b[0]);
  return r;
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"Attention", attention},
    {"BiasGelu", pointwise},
    {"BiasSplitGelu", pointwise},
    {"DynamicQuantizeMatMul", dynamic_matmul},
    {"EmbedLayerNormalization", embed_norm},
    {"FastGelu", pointwise},
    {"FusedGemm", fused_gemm},
    {"FusedMatMul", fused_matmul},
    {"Gelu", pointwise},
    {"GroupNorm", pointwise},
    {"GroupQueryAttention", group_query},
    {"MatMulIntegerToFloat", dynamic_matmul},
    {"MatMulNBits", matmul_nbits},
    {"MultiHeadAttention", multi_head},
    {"QLinearAdd", qlinear_binary},
    {"QLinearGlobalAveragePool", qlinear_global_pool},
    {"QLinearLeakyRelu", pointwise},
    {"QLinearMul", qlinear_binary},
    {"QLinearSigmoid", pointwise},
    {"QuickGelu", pointwise},
    {"RotaryEmbedding", pointwise},
    {"SkipLayerNormalization", skip_norm},
    {"SkipSimplifiedLayerNormalization", skip_norm},
});

}  // namespace

RuleTable microsoft_rules() { return kRules; }

}  // namespace vitals::onnx
