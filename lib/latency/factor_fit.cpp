#include "latency/factor_fit.h"

#include <Eigen/Cholesky>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

namespace vitals::latency {
namespace {

// A factor, and how far a run may pull it from what is usual without being very sure, by whose
// kernels it ran. `log`: the fit moves its logarithm. What libraries on CPUs do differs most, and
// what few of them tell of all is little.
struct Free {
  double Factors::*member;
  bool log;
  std::array<double, 4> spreads;  // by Kernels

  [[nodiscard]] double spread(Kernels kernels) const {
    return spreads[static_cast<std::size_t>(kernels)];
  }
};
constexpr std::array<Free, 15> kFree = {{{&Factors::product, true, {2.4, 30, 3, 4}},
                                         {&Factors::width, false, {0.8, 9, 1, 1}},
                                         {&Factors::convolution, true, {4.0, 2, 2, 1}},
                                         {&Factors::attention, true, {3.2, 30, 3, 10}},
                                         {&Factors::score, true, {5.6, 30, 5, 10}},
                                         {&Factors::bias, true, {5.6, 30, 5, 5}},
                                         {&Factors::bandwidth, true, {1.6, 15, 1.5, 6}},
                                         {&Factors::strided, true, {3.2, 15, 3, 1}},
                                         {&Factors::launch, true, {3.2, 30, 3, 15}},
                                         {&Factors::backward, true, {2.4, 2.4, 2.4, 1}},
                                         {&Factors::rows, false, {1, 9, 1, 0.3}},
                                         {&Factors::pack, true, {1, 30, 3, 15}},
                                         {&Factors::aliasing, false, {1, 9, 1, 0.3}},
                                         {&Factors::cached, true, {1, 30, 3, 15}},
                                         {&Factors::rolled, true, {1, 30, 3, 1}}}};
// Errors above this count linearly (Huber 1964): one odd model must not bend the rest.
constexpr double kHuber = 0.1;

constexpr Eigen::Index kSize = kFree.size();
using Vector = Eigen::Matrix<double, kSize, 1>;
using Matrix = Eigen::Matrix<double, kSize, kSize>;

const Free& free_factor(Eigen::Index i) { return kFree[static_cast<std::size_t>(i)]; }

Vector start(Kernels kernels) {
  const auto factors = usual_factors(kernels);
  Vector x;
  for (Eigen::Index i = 0; i < kSize; ++i) {
    const double value = factors.*free_factor(i).member;
    x(i) = free_factor(i).log ? std::log(value) : value;
  }
  return x;
}

Factors factors_of(const Vector& x) {
  Factors factors;
  for (Eigen::Index i = 0; i < kSize; ++i)
    factors.*free_factor(i).member = free_factor(i).log ? std::exp(x(i)) : x(i);
  return factors;
}

class Problem {
 public:
  Problem(const std::vector<Sample>& samples, Kernels kernels)
      : samples_(samples), kernels_(kernels), prior_(start(kernels)) {}

  [[nodiscard]] Eigen::VectorXd errors(const Vector& x) const {
    const auto factors = factors_of(x);
    Eigen::VectorXd r(static_cast<Eigen::Index>(samples_.size()));
    std::transform(samples_.begin(), samples_.end(), r.begin(),
                   [&](const Sample& sample) { return log_error(sample, factors); });
    return r;
  }

  [[nodiscard]] double cost(const Vector& x, const Eigen::VectorXd& r) const {
    double sum = 0;
    for (Eigen::Index s = 0; s < r.size(); ++s) {
      const double a = std::abs(r(s));
      sum += weight(s) * (a < kHuber ? 0.5 * a * a : kHuber * (a - 0.5 * kHuber));
    }
    for (Eigen::Index i = 0; i < kSize; ++i) sum += 0.5 * pull(x, i) * pull(x, i);
    return sum;
  }

  // A step from x with this damping (Levenberg 1944, Marquardt 1963) and Huber's weights.
  [[nodiscard]] Vector step(const Vector& x, const Eigen::VectorXd& r, double damping) const {
    constexpr double kSmall = 1e-4;
    Eigen::MatrixXd jacobian(r.size(), kSize);
    for (Eigen::Index i = 0; i < kSize; ++i) {
      Vector y = x;
      y(i) += kSmall;
      jacobian.col(i) = (errors(y) - r) / kSmall;
    }
    Matrix normal = Matrix::Zero();
    Vector downhill = Vector::Zero();
    for (Eigen::Index s = 0; s < r.size(); ++s) {
      const double w = weight(s) * std::min(1.0, kHuber / std::max(std::abs(r(s)), 1e-12));
      const Vector slope = jacobian.row(s);
      normal += w * slope * slope.transpose();
      downhill -= w * r(s) * slope;
    }
    for (Eigen::Index i = 0; i < kSize; ++i) {
      const double spread = free_factor(i).spread(kernels_);
      normal(i, i) += 1 / (spread * spread);
      downhill(i) -= pull(x, i) / spread;
      normal(i, i) += damping * (normal(i, i) + 1e-9);
    }
    return normal.llt().solve(downhill);
  }

 private:
  [[nodiscard]] double weight(Eigen::Index sample) const {
    return samples_[static_cast<std::size_t>(sample)].observation->weight;
  }
  [[nodiscard]] double pull(const Vector& x, Eigen::Index i) const {
    return (x(i) - prior_(i)) / free_factor(i).spread(kernels_);
  }

  const std::vector<Sample>& samples_;
  Kernels kernels_;
  Vector prior_;
};

auto key(const Kernel& k) {
  return std::make_tuple(k.kind, k.m, k.n, k.k, k.count, k.flops, k.bytes, k.weight_bytes,
                         k.strided_bytes, k.rolled, k.biased, k.causal, k.optimizer);
}

}  // namespace

std::vector<Observation::Repeated> repeated(const std::vector<Kernel>& kernels) {
  std::vector<Observation::Repeated> result;
  std::map<decltype(key(Kernel())), std::size_t> known;
  for (const auto& kernel : kernels) {
    const auto [place, fresh] = known.emplace(key(kernel), result.size());
    if (fresh)
      result.push_back({kernel, 1});
    else
      ++result[place->second].times;
  }
  return result;
}

namespace {

double seconds(const Observation::Repeated& part, const Setup& setup, const Factors& factors) {
  return part.times *
         cost(part.kernel, setup.machine, setup.peak, factors, setup.execution.training).seconds;
}

}  // namespace

double log_error(const Sample& sample, const Factors& factors) {
  double sum = 0;
  for (const auto& part : sample.observation->kernels) sum += seconds(part, *sample.setup, factors);
  return std::log(sum / sample.observation->seconds);
}

Neighbour neighbour(const Sample& sample, const Factors& factors, const std::string& model,
                    std::uint64_t batch) {
  Profiler profiler;
  for (const auto& part : sample.observation->kernels)
    profiler.add(part.kernel, seconds(part, *sample.setup, factors));
  return {model, profiler.profile(batch), log_error(sample, factors)};
}

Factors usual_factors(Kernels kernels) {
  Factors factors;
  if (kernels == Kernels::cpu || kernels == Kernels::any_cpu) {
    factors.product = 0.5;
    factors.attention = 0.5;
    factors.launch = 2e-5;               // a parallel loop begins and ends with a barrier
  } else if (kernels == Kernels::own) {  // as `vitals bench` shows them on a machine at rest
    factors.product = 0.95;
    factors.attention = 0.8;
    factors.score = 150;
    factors.bandwidth = 0.9;
    factors.pack = 5;  // weights are packed beforehand
  }
  return factors;
}

Factors fit(const std::vector<Sample>& samples, Kernels kernels) {
  const Problem problem(samples, kernels);
  Vector x = start(kernels);
  auto r = problem.errors(x);
  double cost = problem.cost(x, r);
  double damping = 1e-2;
  for (int i = 0; i < 60; ++i) {
    bool better = false;
    for (int attempt = 0; attempt < 12 && !better; ++attempt) {
      const Vector y = x + problem.step(x, r, damping);
      auto ry = problem.errors(y);
      const double cy = problem.cost(y, ry);
      if (!(cy < cost)) {
        damping *= 4;
        continue;
      }
      better = cost - cy > 1e-9 * cost;
      x = y;
      r = std::move(ry);
      cost = cy;
      damping = std::max(damping / 5, 1e-9);
      if (!better) return factors_of(x);
    }
    if (!better) break;
  }
  return factors_of(x);
}

}  // namespace vitals::latency
