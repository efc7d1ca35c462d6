#include "runtime/kernels/row_ops.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

Element coin_type(Random& random) { return random.coin() ? Element::kF32 : Element::kBf16; }

}  // namespace

TEST_CASE("activations are within 1e-6 over the whole range, and keep NaN") {
  for_each_engine([](Engine& engine) {
    std::vector<float> x;
    for (int i = -20000; i <= 20000; ++i) x.push_back(static_cast<float>(i) * 0.0007f);
    for (const float edge : {-1e30f, -100.0f, -88.5f, 88.5f, 100.0f, 1e30f}) x.push_back(edge);
    x.push_back(std::numeric_limits<float>::quiet_NaN());
    for (int a = 0; a <= 7; ++a) {
      std::vector<float> y(x.size(), std::numeric_limits<float>::quiet_NaN());
      UnaryJob job;
      const auto n = static_cast<std::int64_t>(x.size());
      job.x = ConstRows(x.data(), Element::kF32, n);
      job.y = Rows{y.data(), Element::kF32, n};
      job.columns = n;
      job.activation = static_cast<Activation>(a);
      unary(engine, job, 1);
      double worst = 0;
      for (std::size_t i = 0; i + 1 < x.size(); ++i) {
        const double want = exact_activation(job.activation, static_cast<double>(x[i]));
        const double scale = std::max(1.0, std::fabs(want));
        const double error = std::fabs(static_cast<double>(y[i]) - want) / scale;
        if (!(error <= worst)) worst = error;
      }
      INFO(engine.description(), " activation ", a);
      CHECK(worst < 1e-6);
      CHECK(std::isnan(y.back()));
    }
  });
}

TEST_CASE("LayerNorm and RMSNorm agree with fp64, also on heads inside a buffer") {
  for_each_engine([](Engine& engine) {
    Random random(3);
    for (int i = 0; i < 40; ++i) {
      const bool center = random.coin();
      const bool affine = random.coin();
      const std::int64_t tokens = random.integer(1, 9);
      const std::int64_t heads = random.integer(1, 3);
      const std::int64_t dim = random.integer(1, 100);
      const std::int64_t stride = 3 * heads * dim;
      Sample x = random.sample(tokens * stride, coin_type(random));
      const float offset = random.coin() ? 30.0f : 0.0f;  // a mean far above the deviation
      if (x.type == Element::kF32) {
        for (std::size_t j = 0; j < x.f32.size(); ++j) {
          x.f32[j] += offset;
          x.exact[j] = static_cast<double>(x.f32[j]);
        }
      }
      Sample w = random.sample(dim, Element::kF32);
      Sample b = random.sample(dim, Element::kF32);
      Sample y = poisoned(tokens * heads * dim, coin_type(random));
      NormJob job;
      job.x = ConstRows(x.data(), x.type, stride, heads, dim);
      job.y = Rows{y.data(), y.type, dim};
      job.dim = dim;
      job.eps = 1e-5f;
      if (affine) job.weight = w.f32.data();
      if (affine && center) job.bias = b.f32.data();
      if (center) {
        layer_norm(engine, job, tokens * heads);
      } else {
        rms_norm(engine, job, tokens * heads);
      }
      int wrong = 0;
      for (std::int64_t r = 0; r < tokens * heads; ++r) {
        const std::int64_t at = r / heads * stride + r % heads * dim;
        double mean = 0;
        double square = 0;
        for (std::int64_t j = 0; j < dim; ++j) mean += x.exact[static_cast<std::size_t>(at + j)];
        mean = center ? mean / static_cast<double>(dim) : 0;
        for (std::int64_t j = 0; j < dim; ++j) {
          const double d = x.exact[static_cast<std::size_t>(at + j)] - mean;
          square += d * d / static_cast<double>(dim);
        }
        for (std::int64_t j = 0; j < dim; ++j) {
          const auto c = static_cast<std::size_t>(j);
          double want = (x.exact[static_cast<std::size_t>(at + j)] - mean) /
                        std::sqrt(square + static_cast<double>(job.eps));
          if (affine) want = want * w.exact[c] + (center ? b.exact[c] : 0);
          const double got = y.at(static_cast<std::size_t>(r * dim + j));
          const double tolerance = (dim > 3 ? 1e-5 : 1e-2) * (offset > 0 ? 4 : 1);
          if (!close(got, want, tolerance, y.type)) ++wrong;
        }
      }
      INFO(engine.description(), " dim ", dim, " center ", center, " offset ", offset);
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("softmax agrees with fp64, in place too, and hidden scores get exactly 0") {
  for_each_engine([](Engine& engine) {
    Random random(4);
    for (int i = 0; i < 40; ++i) {
      const std::int64_t rows = random.integer(1, 9);
      const std::int64_t columns = random.integer(1, 100);
      Sample x = random.sample(rows * columns, coin_type(random), 5);
      if (x.type == Element::kF32 && columns > 1) {
        x.f32[0] = -INFINITY;
        x.exact[0] = -INFINITY;
      }
      const bool in_place = random.coin();
      Sample out = poisoned(rows * columns, coin_type(random));
      Sample& y = in_place ? x : out;
      UnaryJob job;
      job.x = ConstRows(x.data(), x.type, columns);
      job.y = Rows{y.data(), y.type, columns};
      job.columns = columns;
      job.scale = 0.5f;
      softmax(engine, job, rows);
      int wrong = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        double top = -INFINITY;
        double sum = 0;
        const double* from = x.exact.data() + r * columns;
        for (std::int64_t j = 0; j < columns; ++j) top = std::max(top, 0.5 * from[j]);
        for (std::int64_t j = 0; j < columns; ++j) sum += std::exp(0.5 * from[j] - top);
        for (std::int64_t j = 0; j < columns; ++j) {
          const double want = std::exp(0.5 * from[j] - top) / sum;
          const double got = y.at(static_cast<std::size_t>(r * columns + j));
          if (!close(got, want, 1e-6, y.type)) ++wrong;
          if (std::isinf(from[j]) && got != 0) ++wrong;
        }
      }
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("sums and products broadcast rows") {
  for_each_engine([](Engine& engine) {
    Random random(6);
    for (int i = 0; i < 40; ++i) {
      const std::int64_t rows = random.integer(1, 12);
      const std::int64_t columns = random.integer(1, 70);
      const std::int64_t period = random.integer(0, 4);
      Sample a = random.sample(rows * columns, coin_type(random));
      Sample b = random.sample(rows * columns, coin_type(random));
      Sample y = poisoned(rows * columns, coin_type(random));
      BinaryJob job;
      job.a = ConstRows(a.data(), a.type, columns);
      job.b = ConstRows(b.data(), b.type, period == 1 ? 0 : columns);
      job.y = Rows{y.data(), y.type, columns};
      job.columns = columns;
      job.b_rows = period > rows ? 0 : period;
      job.op = random.coin() ? BinaryOp::kAdd : BinaryOp::kMul;
      job.activation = random.coin() ? Activation::kSilu : Activation::kIdentity;
      binary(engine, job, rows);
      int wrong = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        std::int64_t from = job.b_rows > 0 ? r % job.b_rows : r;
        if (period == 1) from = 0;
        for (std::int64_t j = 0; j < columns; ++j) {
          const double u =
              exact_activation(job.activation, a.exact[static_cast<std::size_t>(r * columns + j)]);
          const double v = b.exact[static_cast<std::size_t>(from * columns + j)];
          const double want = job.op == BinaryOp::kAdd ? u + v : u * v;
          if (!close(y.at(static_cast<std::size_t>(r * columns + j)), want, 5e-6, y.type)) ++wrong;
        }
      }
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("means over the rows of a group") {
  for_each_engine([](Engine& engine) {
    Random random(7);
    const std::int64_t columns = 37;
    Sample x = random.sample(3 * 5 * columns, Element::kF32);
    Sample y = poisoned(3 * columns, Element::kF32);
    MeanJob job;
    job.x = ConstRows(x.f32.data() + columns, Element::kF32, columns);  // without the first
    job.y = Rows{y.data(), Element::kF32, columns};
    job.group_stride = 5 * columns;
    job.count = 4;
    job.columns = columns;
    mean_rows(engine, job, 3);
    for (std::int64_t g = 0; g < 3; ++g) {
      for (std::int64_t j = 0; j < columns; ++j) {
        double want = 0;
        for (std::int64_t r = 1; r < 5; ++r) {
          want += x.exact[static_cast<std::size_t>((g * 5 + r) * columns + j)] / 4;
        }
        CHECK(close(y.at(static_cast<std::size_t>(g * columns + j)), want, 1e-6, Element::kF32));
      }
    }
  });
}

TEST_CASE("rotary positions turn pairs by their token's angle and spare the first tokens") {
  for_each_engine([](Engine& engine) {
    for (const bool interleaved : {false, true}) {
      Random random(8);
      const std::int64_t tokens = 4, heads = 2, dim = 6;
      Sample x = random.sample(2 * tokens * heads * dim, Element::kF32);
      std::vector<float> cos, sin;
      for (int i = 0; i < 3 * 3; ++i) {
        cos.push_back(std::cos(static_cast<float>(i)));
        sin.push_back(std::sin(static_cast<float>(i)));
      }
      RopeJob job;
      job.x = Rows{x.data(), Element::kF32, heads * dim, heads, dim};
      job.dim = dim;
      job.cos = cos.data();
      job.sin = sin.data();
      job.tokens = tokens;
      job.position_rows = heads;
      job.first = 1;
      job.interleaved = interleaved;
      rope(engine, job, 2 * tokens * heads);
      for (std::int64_t r = 0; r < 2 * tokens * heads; ++r) {
        const std::int64_t token = r / heads % tokens;
        for (std::int64_t i = 0; i < dim / 2; ++i) {
          const auto p = static_cast<std::size_t>(r * dim + (interleaved ? 2 * i : i));
          const auto q =
              static_cast<std::size_t>(r * dim + (interleaved ? 2 * i + 1 : i + dim / 2));
          const double angle = token == 0 ? 0 : static_cast<double>((token - 1) * 3 + i);
          const double u = x.exact[p] * std::cos(angle) - x.exact[q] * std::sin(angle);
          const double v = x.exact[q] * std::cos(angle) + x.exact[p] * std::sin(angle);
          CHECK(close(x.at(p), u, 1e-6, Element::kF32));
          CHECK(close(x.at(q), v, 1e-6, Element::kF32));
        }
      }
    }
  });
}
