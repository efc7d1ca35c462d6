#include "runtime/kernels/linear.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

struct LinearCase {
  std::int64_t rows, in, out;
  LinearOptions options;
  bool bias = true;
  bool gamma = false;
  bool in_place = false;   // the residual is y
  bool turned = false;     // W is stored [in, out]
  std::int64_t slack = 0;  // columns of y's buffer beyond its own
  std::int64_t gap = 0;    // elements between the rows of x
};

// Operands as the products take them: in bf16 AMX and oneDNN round x as well; our other kernels do
// not.
std::vector<double> rounded(std::vector<double> values, Element weights) {
  if (weights == Element::kBf16)
    for (auto& v : values) v = static_cast<double>(to_float(to_bf16(static_cast<float>(v))));
  return values;
}

// [out, in] of what may be stored the other way round.
std::vector<double> upright(const LinearCase& c, const std::vector<double>& w) {
  if (!c.turned) return w;
  std::vector<double> result(w.size());
  const auto in = static_cast<std::size_t>(c.in);
  const auto out = static_cast<std::size_t>(c.out);
  for (std::size_t k = 0; k < in; ++k)
    for (std::size_t j = 0; j < out; ++j) result[j * in + k] = w[k * out + j];
  return result;
}

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k) sum += a[k] * b[k];
  return sum;
}

// Largest |error| over the tolerance that sums of this length deserve.
void check_case(Engine& engine, const LinearCase& c, std::uint32_t seed) {
  Random random(seed);
  const Element wt = c.options.weights;
  const float spread = 1.0f / std::sqrt(static_cast<float>(c.in));
  const std::int64_t x_stride = c.in + c.gap;
  Sample x = random.sample(c.rows * x_stride, c.options.x);
  Sample w = random.sample(c.in * c.out, Element::kF32, spread);
  Sample b = random.sample(c.out, Element::kF32);
  Sample g = random.sample(c.out, Element::kF32);
  const std::int64_t ld = c.out + c.slack;
  Sample r = random.sample(c.rows * ld, c.options.y);
  Sample m = random.sample(c.rows * ld, c.options.y);
  Sample y = c.in_place ? r : poisoned(c.rows * ld, c.options.y);

  LinearWeights weights{w.f32.data(), c.turned ? 1 : 0, c.turned ? c.out : 1,
                        c.bias ? b.f32.data() : nullptr, c.gamma ? g.f32.data() : nullptr};
  WeightStore store;
  Linear linear(engine, store, {c.rows, c.in, c.out}, c.options, weights);
  LinearOperands operands;
  operands.rows = c.rows;
  operands.x = ConstRows(x.data(), c.options.x, x_stride);
  operands.y = Rows{y.data(), c.options.y, ld};
  if (c.options.residual) {
    operands.residual = ConstRows(c.in_place ? y.data() : r.data(), c.options.y, ld);
  }
  if (c.options.multiplier) operands.multiplier = ConstRows(m.data(), c.options.y, ld);
  linear.run(engine, operands);

  const auto xs = rounded(x.exact, wt);
  const auto ws = rounded(upright(c, w.exact), wt);
  int wrong = 0;
  double worst = 0;
  for (std::int64_t i = 0; i < c.rows; ++i) {
    for (std::int64_t j = 0; j < c.out; ++j) {
      const double sum = (c.bias ? b.exact[static_cast<std::size_t>(j)] : 0) +
                         dot(xs.data() + i * x_stride, ws.data() + j * c.in, c.in);
      const auto at = static_cast<std::size_t>(i * ld + j);
      double want = exact_activation(c.options.activation, sum);
      if (c.options.multiplier) want *= m.exact[at];
      if (c.gamma) want *= g.exact[static_cast<std::size_t>(j)];
      if (c.options.residual) want += r.exact[at];
      const double tolerance =
          (wt == Element::kF32 ? 1e-5 : (c.options.x == Element::kF32 ? 3e-2 : 2e-5)) *
          (c.options.multiplier || c.gamma ? 8 : 1) *
          (wt == Element::kBf16 && engine.backend().name == "onednn" ? 4e2 : 1);
      const double got = y.at(at);
      if (!close(got, want, tolerance, c.options.y)) ++wrong;
      worst = std::isnan(got) ? 1e30 : std::max(worst, std::fabs(got - want));
    }
    for (std::int64_t j = c.out; j < ld && !c.in_place; ++j) {
      CHECK(std::isnan(y.at(static_cast<std::size_t>(i * ld + j))));  // beyond y's columns
    }
  }
  INFO(engine.description(), ": rows ", c.rows, " in ", c.in, " out ", c.out, " gap ", c.gap,
       " activation ", static_cast<int>(c.options.activation), " weights ", static_cast<int>(wt),
       " x ", static_cast<int>(c.options.x), " y ", static_cast<int>(c.options.y), " residual ",
       c.options.residual, " in place ", c.in_place, " multiplier ", c.options.multiplier,
       " worst ", worst);
  CHECK(wrong == 0);
}

LinearCase random_case(Random& random, bool bf16) {
  LinearCase c;
  c.rows = random.integer(1, 75);
  c.in = random.integer(1, 300);
  c.out = random.integer(1, 150);
  c.options.activation = static_cast<Activation>(random.integer(0, 7));
  c.options.residual = random.coin();
  c.options.multiplier = random.integer(0, 3) == 0;
  if (bf16) {
    c.options.weights = c.options.x = Element::kBf16;
    c.options.y = random.coin() ? Element::kBf16 : Element::kF32;
  }
  c.bias = random.coin();
  c.gamma = random.coin();
  c.in_place = c.options.residual && random.coin();
  c.turned = random.coin();
  c.slack = random.integer(0, 1) * 5;
  c.gap = random.integer(0, 1) * 11;
  return c;
}

}  // namespace

TEST_CASE("dense layers of random shapes agree with the sums in fp64") {
  for_each_engine([](Engine& engine) {
    Random random(1);
    for (std::uint32_t i = 0; i < 40; ++i) check_case(engine, random_case(random, false), i);
  });
}

TEST_CASE("bf16 dense layers agree with the sums of the rounded operands in fp64") {
  for_each_engine([](Engine& engine) {
    Random random(2);
    for (std::uint32_t i = 0; i < 25; ++i) check_case(engine, random_case(random, true), i);
  });
}

TEST_CASE("dense layers of a ViT stay within 1e-5") {
  for_each_engine([](Engine& engine) {
    LinearCase fc1{50, 768, 320, {}, true, false, false, false, 0};
    fc1.options.activation = Activation::kGelu;
    check_case(engine, fc1, 3);
    LinearCase fc2{50, 3072, 96, {}, true, false, true, false, 0};
    fc2.options.residual = true;
    check_case(engine, fc2, 4);
    LinearCase many{1000, 256, 64, {}, true, false, false, false, 0};
    check_case(engine, many, 5);
  });
}

TEST_CASE("one layer runs with any number of rows") {
  for_each_engine([](Engine& engine) {
    WeightStore store;
    const std::vector<float> weight(64 * 48, 0.5f);
    Linear linear(engine, store, {7, 64, 48}, {}, {weight.data(), 0, 1, nullptr, nullptr});
    for (const std::int64_t rows : {7, 1, 300, 0, 15}) {
      const std::vector<float> x(static_cast<std::size_t>(rows) * 64, 1.0f);
      std::vector<float> y(static_cast<std::size_t>(rows) * 48, -1.0f);
      LinearOperands operands;
      operands.rows = rows;
      operands.x = ConstRows(x.data(), Element::kF32, 64);
      operands.y = Rows{y.data(), Element::kF32, 48};
      linear.run(engine, operands);
      for (const float v : y) REQUIRE(v == 32.0f);
    }
  });
}
