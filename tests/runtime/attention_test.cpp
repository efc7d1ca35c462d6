#include "runtime/kernels/attention.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

struct AttentionCase {
  std::int64_t batch, heads, kv_heads, queries, keys, dim, value_dim;
  Element type;
  int bias;  // 0: none, 1: [H, Q, K], 2: [period, H, Q, K]
  bool mask, causal;
  double tolerance = 5e-6;  // in fp32
};

void check_case(Engine& engine, const AttentionCase& c, std::uint32_t seed) {
  Random random(seed);
  const std::int64_t kv = c.kv_heads;
  Sample q = random.sample(c.batch * c.queries * c.heads * c.dim, c.type);
  Sample k = random.sample(c.batch * c.keys * kv * c.dim, c.type);
  Sample v = random.sample(c.batch * c.keys * kv * c.value_dim, c.type);
  Sample out = poisoned(c.batch * c.queries * c.heads * c.value_dim, c.type);
  const std::int64_t plane = c.queries * c.keys;
  Sample bias = random.sample(2 * c.heads * plane, Element::kF32);
  std::vector<std::uint8_t> mask;
  for (std::int64_t i = 0; i < c.batch * c.keys; ++i) {
    mask.push_back(i % c.keys == 0 || random.coin() ? 1 : 0);
  }
  AttentionJob job;
  job.batch = c.batch;
  job.heads = c.heads;
  job.kv_heads = kv;
  job.queries = c.queries;
  job.keys = c.keys;
  job.head_dim = c.dim;
  job.value_dim = c.value_dim;
  job.scale = 0.3f;
  job.type = job.out_type = c.type;
  job.q = {q.data(), c.queries * c.heads * c.dim, c.heads * c.dim, c.dim};
  job.k = {k.data(), c.keys * kv * c.dim, kv * c.dim, c.dim};
  job.v = {v.data(), c.keys * kv * c.value_dim, kv * c.value_dim, c.value_dim};
  job.out = {out.data(), c.queries * c.heads * c.value_dim, c.heads * c.value_dim, c.value_dim};
  if (c.bias > 0) {
    job.bias = bias.f32.data();
    job.bias_period = c.bias == 2 ? 2 : 0;
    job.bias_batch = c.bias == 2 ? c.heads * plane : 0;
    job.bias_head = plane;
    job.bias_row = c.keys;
  }
  if (c.mask) job.key_mask = mask.data();
  job.causal = c.causal;
  attention(engine, job);

  int wrong = 0;
  double worst = 0;
  std::vector<double> p(static_cast<std::size_t>(c.keys));
  for (std::int64_t b = 0; b < c.batch; ++b) {
    for (std::int64_t h = 0; h < c.heads; ++h) {
      const std::int64_t g = h / (c.heads / kv);
      for (std::int64_t i = 0; i < c.queries; ++i) {
        double top = -INFINITY;
        for (std::int64_t j = 0; j < c.keys; ++j) {
          double s = 0;
          for (std::int64_t d = 0; d < c.dim; ++d) {
            s +=
                q.exact[static_cast<std::size_t>(((b * c.queries + i) * c.heads + h) * c.dim + d)] *
                k.exact[static_cast<std::size_t>(((b * c.keys + j) * kv + g) * c.dim + d)];
          }
          s *= static_cast<double>(job.scale);
          if (c.bias > 0) {
            const std::int64_t period = c.bias == 2 ? b % 2 : 0;
            s += bias.exact[static_cast<std::size_t>((period * c.heads + h) * plane + i * c.keys +
                                                     j)];
          }
          if (c.mask && mask[static_cast<std::size_t>(b * c.keys + j)] == 0) s = -INFINITY;
          if (c.causal && j > i + c.keys - c.queries) s = -INFINITY;
          p[static_cast<std::size_t>(j)] = s;
          top = std::max(top, s);
        }
        double sum = 0;
        for (double& s : p) sum += s = std::exp(s - top);
        for (std::int64_t d = 0; d < c.value_dim; ++d) {
          double want = 0;
          for (std::int64_t j = 0; j < c.keys; ++j) {
            want +=
                p[static_cast<std::size_t>(j)] / sum *
                v.exact[static_cast<std::size_t>(((b * c.keys + j) * kv + g) * c.value_dim + d)];
          }
          const double got = out.at(
              static_cast<std::size_t>(((b * c.queries + i) * c.heads + h) * c.value_dim + d));
          // With bf16 operands a backend may round the weights of the mean too.
          if (!close(got, want, c.type == Element::kF32 ? c.tolerance : 1.5e-2, c.type)) ++wrong;
          worst = std::isnan(got) ? 1e30 : std::max(worst, std::fabs(got - want));
        }
      }
    }
  }
  INFO(engine.description(), ": queries ", c.queries, " keys ", c.keys, " dim ", c.dim, "/",
       c.value_dim, " bias ", c.bias, " mask ", c.mask, " causal ", c.causal, " type ",
       static_cast<int>(c.type), " worst ", worst);
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("attention of random shapes agrees with fp64") {
  for_each_engine([](Engine& engine) {
    Random random(5);
    for (std::uint32_t i = 0; i < 25; ++i) {
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
      check_case(engine, c, i);
    }
  });
}

TEST_CASE("attention of ViT-B shapes stays within 5e-6") {
  for_each_engine([](Engine& engine) {
    check_case(engine, {1, 2, 2, 50, 50, 64, 64, Element::kF32, 0, false, false}, 1);
    check_case(engine, {1, 2, 2, 197, 197, 64, 64, Element::kF32, 0, false, false}, 2);
    check_case(engine, {1, 2, 2, 197, 197, 64, 64, Element::kBf16, 0, false, false}, 3);
  });
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
