#include "fit.h"

#include <Eigen/Dense>

#include <algorithm>
#include <array>
#include <cmath>

namespace vitals::calibrate {
namespace {

// A factor, and how far from its default a run may pull it without being very sure. `log`: the
// fit moves its logarithm.
struct Free {
  double Factors::*member;
  bool log;
  double spread;
};
constexpr std::array<Free, 10> kFree = {{{&Factors::product, true, 2.4},
                                         {&Factors::width, false, 0.8},
                                         {&Factors::convolution, true, 4.0},
                                         {&Factors::attention, true, 3.2},
                                         {&Factors::score, true, 5.6},
                                         {&Factors::bias, true, 5.6},
                                         {&Factors::bandwidth, true, 1.6},
                                         {&Factors::strided, true, 3.2},
                                         {&Factors::launch, true, 3.2},
                                         {&Factors::backward, true, 2.4}}};
// Errors above this count linearly (Huber 1964): one odd model must not bend the rest.
constexpr double kHuber = 0.1;

using Vector = Eigen::VectorXd;

Vector start() {
  const Factors factors;
  Vector x(kFree.size());
  for (std::size_t i = 0; i < kFree.size(); ++i) {
    const double value = factors.*kFree[i].member;
    x(static_cast<Eigen::Index>(i)) = kFree[i].log ? std::log(value) : value;
  }
  return x;
}

Factors factors_of(const Vector& x) {
  Factors factors;
  for (std::size_t i = 0; i < kFree.size(); ++i) {
    const double value = x(static_cast<Eigen::Index>(i));
    factors.*kFree[i].member = kFree[i].log ? std::exp(value) : value;
  }
  return factors;
}

class Problem {
 public:
  explicit Problem(const std::vector<Sample>& samples) : samples_(samples), prior_(start()) {}

  [[nodiscard]] Vector errors(const Vector& x) const {
    const auto factors = factors_of(x);
    Vector r(static_cast<Eigen::Index>(samples_.size()));
    for (std::size_t i = 0; i < samples_.size(); ++i)
      r(static_cast<Eigen::Index>(i)) = log_error(samples_[i], factors);
    return r;
  }

  [[nodiscard]] double cost(const Vector& x, const Vector& r) const {
    double sum = 0;
    for (double e : r) {
      const double a = std::abs(e);
      sum += a < kHuber ? 0.5 * a * a : kHuber * (a - 0.5 * kHuber);
    }
    return sum + 0.5 * pull(x).squaredNorm();
  }

  // A step from x with this damping.
  [[nodiscard]] Vector step(const Vector& x, const Vector& r, double damping) const {
    const auto n = x.size();
    Eigen::MatrixXd jacobian(r.size(), n);
    constexpr double kSmall = 1e-4;
    for (Eigen::Index i = 0; i < n; ++i) {
      Vector y = x;
      y(i) += kSmall;
      jacobian.col(i) = (errors(y) - r) / kSmall;
    }
    const Vector weights =
        r.unaryExpr([](double e) { return std::min(1.0, kHuber / std::max(std::abs(e), 1e-12)); });
    Eigen::MatrixXd normal = jacobian.transpose() * weights.asDiagonal() * jacobian;
    Vector gradient = jacobian.transpose() * weights.cwiseProduct(r);
    for (Eigen::Index i = 0; i < n; ++i) {
      const double spread = kFree[static_cast<std::size_t>(i)].spread;
      normal(i, i) += 1 / (spread * spread);
      gradient(i) += (x(i) - prior_(i)) / (spread * spread);
    }
    normal.diagonal() += damping * (normal.diagonal().array() + 1e-9).matrix();
    return -normal.ldlt().solve(gradient);
  }

 private:
  [[nodiscard]] Vector pull(const Vector& x) const {
    Vector p = x - prior_;
    for (Eigen::Index i = 0; i < p.size(); ++i) p(i) /= kFree[static_cast<std::size_t>(i)].spread;
    return p;
  }

  const std::vector<Sample>& samples_;
  Vector prior_;
};

}  // namespace

double log_error(const Sample& sample, const Factors& factors) {
  return std::log(seconds(*sample.model, *sample.setup, factors) / sample.model->seconds);
}

Factors fit(const std::vector<Sample>& samples) {
  const Problem problem(samples);
  Vector x = start();
  Vector r = problem.errors(x);
  double cost = problem.cost(x, r);
  double damping = 1e-2;
  for (int i = 0; i < 60; ++i) {
    bool better = false;
    for (int attempt = 0; attempt < 12 && !better; ++attempt) {
      const Vector y = x + problem.step(x, r, damping);
      const Vector ry = problem.errors(y);
      const double cy = problem.cost(y, ry);
      if (!(cy < cost)) {
        damping *= 4;
        continue;
      }
      better = cost - cy > 1e-9 * cost;
      x = y;
      r = ry;
      cost = cy;
      damping = std::max(damping / 5, 1e-9);
      if (!better) return factors_of(x);
    }
    if (!better) break;
  }
  return factors_of(x);
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace vitals::calibrate
