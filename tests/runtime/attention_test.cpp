#include "runtime/kernels/attention.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;

namespace {

struct AttentionCase {
  std::int64_t batch, heads, kv_heads, queries, keys, dim, value_dim;
  Element type;
  int bias;  // 0: none, 1: [H, Q, K], 2: [period, H, Q, K]
  bool mask, causal;
  double tolerance = 5e-6;  // in fp32
};

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The operands of a case, and what comes out of them in fp64, once for all engines.
class AttentionSample {
 public:
  AttentionSample(const AttentionCase& c, std::uint32_t seed) : c_(c) {
    Random random(seed);
    q_ = random.sample(c.batch * c.queries * c.heads * c.dim, c.type);
    k_ = random.sample(c.batch * c.keys * c.kv_heads * c.dim, c.type);
    v_ = random.sample(c.batch * c.keys * c.kv_heads * c.value_dim, c.type);
    bias_ = random.sample(2 * c.heads * c.queries * c.keys, Element::kF32);
    for (std::int64_t i = 0; i < c.batch * c.keys; ++i)
      mask_.push_back(i % c.keys == 0 || random.coin() ? 1 : 0);
    for (std::int64_t b = 0; b < c.batch; ++b)
      for (std::int64_t i = 0; i < c.queries; ++i)
        for (std::int64_t h = 0; h < c.heads; ++h) add_mean(b, h, weights(b, i, h));
  }

  void check(Engine& engine) {
    Sample out = poisoned(static_cast<std::int64_t>(want_.size()), c_.type);
    attention(engine, job(out));
    int wrong = 0;
    double worst = 0;
    for (std::size_t i = 0; i < want_.size(); ++i) {
      const double got = out.at(i);
      // With bf16 operands a backend may round the weights of the mean too.
      if (!close(got, want_[i], c_.type == Element::kF32 ? c_.tolerance : 1.5e-2, c_.type)) ++wrong;
      worst = std::isnan(got) ? 1e30 : std::max(worst, std::fabs(got - want_[i]));
    }
    INFO(engine.description(), ": queries ", c_.queries, " keys ", c_.keys, " dim ", c_.dim, "/",
         c_.value_dim, " bias ", c_.bias, " mask ", c_.mask, " causal ", c_.causal, " type ",
         static_cast<int>(c_.type), " worst ", worst);
    CHECK(wrong == 0);
  }

 private:
  AttentionJob job(Sample& out) {
    const auto& c = c_;
    const std::int64_t plane = c.queries * c.keys;
    AttentionJob job;
    job.batch = c.batch;
    job.heads = c.heads;
    job.kv_heads = c.kv_heads;
    job.queries = c.queries;
    job.keys = c.keys;
    job.head_dim = c.dim;
    job.value_dim = c.value_dim;
    job.scale = kScale;
    job.type = job.out_type = c.type;
    job.q = {q_.data(), c.queries * c.heads * c.dim, c.heads * c.dim, c.dim};
    job.k = {k_.data(), c.keys * c.kv_heads * c.dim, c.kv_heads * c.dim, c.dim};
    job.v = {v_.data(), c.keys * c.kv_heads * c.value_dim, c.kv_heads * c.value_dim, c.value_dim};
    job.out = {out.data(), c.queries * c.heads * c.value_dim, c.heads * c.value_dim, c.value_dim};
    if (c.bias > 0) {
      job.bias = bias_.f32.data();
      job.bias_period = c.bias == 2 ? 2 : 0;
      job.bias_batch = c.bias == 2 ? c.heads * plane : 0;
      job.bias_head = plane;
      job.bias_row = c.keys;
    }
    if (c.mask) job.key_mask = mask_.data();
    job.causal = c.causal;
    return job;
  }

  // The head of k and v that a head of q looks at.
  [[nodiscard]] std::int64_t group(std::int64_t h) const { return h / (c_.heads / c_.kv_heads); }

  [[nodiscard]] double score(std::int64_t b, std::int64_t i, std::int64_t h, std::int64_t j) const {
    const auto& c = c_;
    if (c.mask && mask_[at(b * c.keys + j)] == 0) return -INFINITY;
    if (c.causal && j > i + c.keys - c.queries) return -INFINITY;
    const double* q = &q_.exact[at(((b * c.queries + i) * c.heads + h) * c.dim)];
    const double* k = &k_.exact[at(((b * c.keys + j) * c.kv_heads + group(h)) * c.dim)];
    double sum = 0;
    for (std::int64_t d = 0; d < c.dim; ++d) sum += q[d] * k[d];
    sum *= static_cast<double>(kScale);
    if (c.bias == 0) return sum;
    const std::int64_t period = c.bias == 2 ? b % 2 : 0;
    return sum + bias_.exact[at(((period * c.heads + h) * c.queries + i) * c.keys + j)];
  }

  [[nodiscard]] std::vector<double> weights(std::int64_t b, std::int64_t i, std::int64_t h) const {
    std::vector<double> p;
    for (std::int64_t j = 0; j < c_.keys; ++j) p.push_back(score(b, i, h, j));
    const double top = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& s : p) sum += s = std::exp(s - top);
    for (double& s : p) s /= sum;
    return p;
  }

  void add_mean(std::int64_t b, std::int64_t h, const std::vector<double>& p) {
    for (std::int64_t d = 0; d < c_.value_dim; ++d) {
      double mean = 0;
      for (std::int64_t j = 0; j < c_.keys; ++j)
        mean += p[at(j)] *
                v_.exact[at(((b * c_.keys + j) * c_.kv_heads + group(h)) * c_.value_dim + d)];
      want_.push_back(mean);
    }
  }

  static constexpr float kScale = 0.3F;
  AttentionCase c_;
  Sample q_, k_, v_, bias_;
  std::vector<std::uint8_t> mask_;
  std::vector<double> want_;  // [batch, queries, heads, value_dim]
};

AttentionCase random_case(Random& random) {
  AttentionCase c{};
  c.batch = random.integer(1, 3);
  c.kv_heads = random.integer(1, 2);
  c.heads = c.kv_heads * random.integer(1, 2);
  c.queries = random.integer(1, 70);
  c.keys = random.coin() ? c.queries : c.queries + random.integer(0, 40);
  c.dim = random.integer(1, 80);
  c.value_dim = random.coin() ? c.dim : random.integer(1, 80);
  c.type = random.coin() ? Element::kF32 : Element::kBf16;
  c.bias = static_cast<int>(random.integer(0, 2));
  c.mask = random.coin();
  c.causal = random.coin();
  // Up to 80 features scaled by 0.3 give scores of 12 and more; fp32 tells these apart by 1e-6,
  // and values of 3 are weighed with what the exponential makes of that.
  c.tolerance = 1e-5;
  return c;
}

}  // namespace

TEST_CASE("attention of random shapes agrees with fp64") {
  Random random(5);
  std::vector<AttentionSample> samples;
  for (std::uint32_t i = 0; i < 40; ++i) samples.emplace_back(random_case(random), i);
  check_on_every_engine(samples);
}

TEST_CASE("attention of ViT-B shapes stays within 5e-6") {
  std::vector<AttentionSample> samples;
  samples.emplace_back(AttentionCase{1, 2, 2, 50, 50, 64, 64, Element::kF32, 0, false, false}, 1);
  samples.emplace_back(AttentionCase{1, 2, 2, 197, 197, 64, 64, Element::kF32, 0, false, false}, 2);
  samples.emplace_back(AttentionCase{1, 2, 2, 197, 197, 64, 64, Element::kBf16, 0, false, false},
                       3);
  check_on_every_engine(samples);
}

TEST_CASE("attention over a packed qkv buffer splits it as timm does") {
  for_each_engine([](Engine& engine) {
    Random random(9);
    const std::int64_t tokens = 5;
    Sample qkv = random.sample(2 * tokens * 3 * 2 * 8, Element::kF32);
    Sample once = poisoned(2 * tokens * 16, Element::kF32);
    Sample again = poisoned(2 * tokens * 16, Element::kF32);
    AttentionJob job =
        packed_qkv_attention(qkv.data(), Element::kF32, once.data(), 2, tokens, 2, 8);
    attention(engine, job);
    // The same from three separate copies.
    std::vector<std::vector<float>> parts(3);
    for (std::int64_t t = 0; t < 2 * tokens; ++t) {
      for (std::size_t s = 0; s < 3; ++s) {
        const auto begin = qkv.f32.begin() + t * 48 + static_cast<std::int64_t>(s) * 16;
        parts[s].insert(parts[s].end(), begin, begin + 16);
      }
    }
    job.q = {parts[0].data(), tokens * 16, 16, 8};
    job.k = {parts[1].data(), tokens * 16, 16, 8};
    job.v = {parts[2].data(), tokens * 16, 16, 8};
    job.out.data = again.data();
    attention(engine, job);
    CHECK(once.f32 == again.f32);
  });
}

TEST_CASE("a query that sees no key gives NaN") {
  for_each_engine([](Engine& engine) {
    Random random(11);
    Sample qkv = random.sample(4 * 3 * 8, Element::kF32);
    Sample out = poisoned(4 * 8, Element::kF32);
    std::fill(out.f32.begin(), out.f32.end(), 0.0f);
    const std::vector<std::uint8_t> mask(4, 0);
    AttentionJob job = packed_qkv_attention(qkv.data(), Element::kF32, out.data(), 1, 4, 1, 8);
    job.key_mask = mask.data();
    attention(engine, job);
    for (const float v : out.f32) CHECK(std::isnan(v));
  });
}
