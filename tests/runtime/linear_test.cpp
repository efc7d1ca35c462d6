#include "runtime/kernels/linear.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

struct LinearCase {
  std::int64_t rows = 0, in = 0, out = 0;
  LinearOptions options = {};
  bool bias = true;
  bool gamma = false;
  bool in_place = false;   // the residual is y
  bool turned = false;     // W is stored [in, out]
  std::int64_t slack = 0;  // columns of y's buffer beyond its own
  std::int64_t gap = 0;    // elements between the rows of x
};

// Operands as the products take them: in bf16 the CPU's own products and oneDNN round x as well;
// our other kernels do not.
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

// The operands of a case, and what comes out of them in fp64, once for all engines.
class LinearSample {
 public:
  LinearSample(const LinearCase& c, std::uint32_t seed)
      : c_(c), x_stride_(c.in + c.gap), y_stride_(c.out + c.slack) {
    Random random(seed);
    x_ = random.sample(c.rows * x_stride_, c.options.x);
    w_ = random.sample(c.in * c.out, Element::kF32, 1.0f / std::sqrt(static_cast<float>(c.in)));
    b_ = random.sample(c.out, Element::kF32);
    g_ = random.sample(c.out, Element::kF32);
    r_ = random.sample(c.rows * y_stride_, c.options.y);
    m_ = random.sample(c.rows * y_stride_, c.options.y);
    const auto xs = rounded(x_.exact, c.options.weights);
    const auto ws = rounded(upright(c, w_.exact), c.options.weights);
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.out; ++j)
        want_.push_back(finished(i, j, dot(&xs[at(i * x_stride_)], &ws[at(j * c.in)], c.in)));
  }

  void check(Engine& engine) {
    Sample y = c_.in_place ? r_ : poisoned(c_.rows * y_stride_, c_.options.y);
    run(engine, y);
    int wrong = 0;
    double worst = 0;
    for (std::int64_t i = 0; i < c_.rows; ++i)
      for (std::int64_t j = 0; j < y_stride_; ++j) {
        const double got = y.at(at(i * y_stride_ + j));
        if (j >= c_.out) {  // beyond y's columns
          if (!c_.in_place && !std::isnan(got)) ++wrong;
          continue;
        }
        const double want = want_[at(i * c_.out + j)];
        if (!close(got, want, tolerance(engine), c_.options.y)) ++wrong;
        worst = std::isnan(got) ? 1e30 : std::max(worst, std::fabs(got - want));
      }
    const auto& o = c_.options;
    INFO(engine.description(), ": rows ", c_.rows, " in ", c_.in, " out ", c_.out, " gap ", c_.gap,
         " activation ", static_cast<int>(o.activation), " weights ", static_cast<int>(o.weights),
         " x ", static_cast<int>(o.x), " y ", static_cast<int>(o.y), " residual ", o.residual,
         " in place ", c_.in_place, " multiplier ", o.multiplier, " worst ", worst);
    CHECK(wrong == 0);
  }

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  [[nodiscard]] double finished(std::int64_t i, std::int64_t j, double sum) const {
    if (c_.bias) sum += b_.exact[at(j)];
    double want = exact_activation(c_.options.activation, sum);
    if (c_.options.multiplier) want *= m_.exact[at(i * y_stride_ + j)];
    if (c_.gamma) want *= g_.exact[at(j)];
    if (c_.options.residual) want += r_.exact[at(i * y_stride_ + j)];
    return want;
  }

  // What sums of this length deserve.
  [[nodiscard]] double tolerance(const Engine& engine) const {
    const bool bf16 = c_.options.weights == Element::kBf16;
    return (!bf16 ? 1e-5 : (c_.options.x == Element::kF32 ? 3e-2 : 2e-5)) *
           (c_.options.multiplier || c_.gamma ? 8 : 1) *
           (bf16 && engine.backend().name == "onednn" ? 4e2 : 1);
  }

  void run(Engine& engine, Sample& y) {
    const LinearWeights weights{w_.f32.data(), c_.turned ? 1 : 0, c_.turned ? c_.out : 1,
                                c_.bias ? b_.f32.data() : nullptr,
                                c_.gamma ? g_.f32.data() : nullptr};
    WeightStore store;
    Linear linear(engine, store, {c_.rows, c_.in, c_.out}, c_.options, weights);
    LinearOperands operands;
    operands.rows = c_.rows;
    operands.x = ConstRows(x_.data(), c_.options.x, x_stride_);
    operands.y = Rows{y.data(), c_.options.y, y_stride_};
    if (c_.options.residual)
      operands.residual = ConstRows(c_.in_place ? y.data() : r_.data(), c_.options.y, y_stride_);
    if (c_.options.multiplier) operands.multiplier = ConstRows(m_.data(), c_.options.y, y_stride_);
    linear.run(engine, operands);
  }

  LinearCase c_;
  std::int64_t x_stride_;
  std::int64_t y_stride_;
  Sample x_, w_, b_, g_, r_, m_;
  std::vector<double> want_;  // [rows, out]
};

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

void check_random(std::uint32_t seed, std::uint32_t count, bool bf16) {
  Random random(seed);
  std::vector<LinearSample> samples;
  for (std::uint32_t i = 0; i < count; ++i) samples.emplace_back(random_case(random, bf16), i);
  check_on_every_engine(samples, bf16 ? Element::kBf16 : Element::kF32);
}

}  // namespace

TEST_CASE("dense layers of random shapes agree with the sums in fp64") {
  check_random(1, 40, false);
}

TEST_CASE("bf16 dense layers agree with the sums of the rounded operands in fp64") {
  check_random(2, 25, true);
}

TEST_CASE("dense layers of a ViT stay within 1e-5") {
  LinearCase fc1{50, 768, 320, {}, true, false, false, false, 0};
  fc1.options.activation = Activation::kGelu;
  LinearCase fc2{50, 3072, 96, {}, true, false, true, false, 0};
  fc2.options.residual = true;
  const LinearCase many{1000, 256, 64, {}, true, false, false, false, 0};
  std::vector<LinearSample> samples;
  samples.emplace_back(fc1, 3);
  samples.emplace_back(fc2, 4);
  samples.emplace_back(many, 5);
  check_on_every_engine(samples);
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
