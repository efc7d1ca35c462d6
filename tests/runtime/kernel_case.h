// Random operands, poisoned outputs and the engines that this CPU can run, for the kernels' tests.
// Must not know of any one kernel.
#pragma once

#include "runtime/kernels/engine.h"
#include "runtime/open_engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace vitals {

// An array of fp32 or bf16 with the values it really holds kept in fp64 beside it.
struct Sample {
  Element type = Element::kF32;
  std::vector<float> f32;
  std::vector<Bf16> bf16;
  std::vector<double> exact;

  void* data() { return type == Element::kF32 ? static_cast<void*>(f32.data()) : bf16.data(); }
  double at(std::size_t i) const {
    return type == Element::kF32 ? static_cast<double>(f32[i])
                                 : static_cast<double>(to_float(bf16[i]));
  }
};

// What an activation computes, in fp64.
inline double exact_activation(Activation activation, double x) {
  constexpr double kPi = 3.14159265358979323846;
  switch (activation) {
    case Activation::kIdentity:
      return x;
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool coin() { return integer(0, 1) == 1; }
  float normal(float deviation) { return deviation * normal_(engine_); }
  Sample sample(std::int64_t count, Element type, float deviation = 1) {
    Sample s;
    s.type = type;
    s.exact.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const float v = normal(deviation);
      if (type == Element::kF32) {
        s.f32.push_back(v);
      } else {
        s.bf16.push_back(to_bf16(v));
      }
      s.exact.push_back(s.at(static_cast<std::size_t>(i)));
    }
    return s;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;  // gives two at a time
};

inline Sample poisoned(std::int64_t count, Element type) {
  Sample s;
  s.type = type;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  s.f32.assign(type == Element::kF32 ? static_cast<std::size_t>(count) : 0, nan);
  s.bf16.assign(type == Element::kBf16 ? static_cast<std::size_t>(count) : 0, to_bf16(nan));
  return s;
}

// |got - want| within `tolerance` plus, for bf16 results, their own rounding.
inline bool close(double got, double want, double tolerance, Element type) {
  if (std::isnan(want)) return std::isnan(got);
  const double rounding = type == Element::kBf16 ? std::fabs(want) / 256 : 0;
  return std::fabs(got - want) <= tolerance + rounding;
}

// Those beside our own that can be opened here.
inline std::vector<const Backend*> other_backends() {
  std::vector<const Backend*> others;
  for (std::size_t i = 1; i < backends().size(); ++i) {
    const auto& backend = backends()[i];
#ifdef VITALS_NO_OPENMP_IN_TESTS
    if (backend.pool == PoolKind::kOpenMp) continue;
#endif
    if (available(backend)) others.push_back(&backend);
  }
  return others;
}

// Every instruction set and backend that this machine has and that computes in `precision`, with 1
// to 3 threads. Our own kernels compute in all precisions.
inline void for_each_engine(Element precision, const std::function<void(Engine&)>& test) {
  for (const auto& set : instruction_sets()) {
    if (!has_isa(set.isa)) continue;
    for (const int threads : {1, 3}) {
      EngineOptions options;
      options.threads = threads;
      options.isa = set.isa;
      Engine engine(options);
      REQUIRE(refusal(engine, precision) == "");
      test(engine);
    }
  }
  for (const auto& backend : other_backends()) {
    EngineOptions options;
    options.backend = backend;
    options.threads = 2;
    Engine engine(options);
    if (refusal(engine, precision).empty()) test(engine);
  }
}

inline void for_each_engine(const std::function<void(Engine&)>& test) {
  for_each_engine(Element::kF32, test);
}

// Checks samples, each with the truth that it holds, on every engine that computes in `precision`.
template <class Checked>
void check_on_every_engine(std::vector<Checked>& samples, Element precision = Element::kF32) {
  for_each_engine(precision, [&](Engine& engine) {
    for (auto& sample : samples) sample.check(engine);
  });
}

}  // namespace vitals
