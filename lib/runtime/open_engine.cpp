#include "runtime/open_engine.h"

#include "core/error.h"
#include "runtime/kernels/linear.h"
#include "runtime/measure/machine_load.h"

#include <vector>

namespace vitals {
namespace {

// Whether our own kernels widen bf16 weights and multiply them as fp32. What a library does inside
// is its own.
bool widens_bf16(const Engine& engine) {
  const auto& table = engine.table();
  return &engine.backend() == &backends().front() && table.peak_bf16 == table.peak_f32;
}

}  // namespace

std::string refusal(Engine& engine, Element precision) {
  // Which products a library has shows only when it plans one. fp32 is what all of them have.
  if (precision == Element::kF32) return {};
  constexpr std::int64_t kSide = 32;
  const std::vector<float> weight(kSide * kSide);
  WeightStore store;
  LinearOptions options;
  options.weights = options.x = options.y = precision;
  try {
    const Linear layer(engine, store, {kSide, kSide, kSide}, options, {.weight = weight.data()});
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

std::unique_ptr<Engine> open_engine(const EngineRequest& request) {
  EngineOptions options;
  options.backend =
      request.backend != nullptr ? request.backend : &fastest_backend(request.precision);
  options.threads = request.threads > 0 ? request.threads : usable_cpus();
  // Two threads on one CPU would wait for each other.
  options.pin = request.pin && options.threads <= usable_cpus();
  // Asked for here, where a wrong VITALS_ISA is not blamed on the backend.
  options.isa = best_isa();
  std::unique_ptr<Engine> engine;
  try {
    engine = std::make_unique<Engine>(options);
  } catch (const std::runtime_error& error) {
    fail("--backend {}: {}", options.backend->name, error.what());
  }
  if (const auto reason = refusal(*engine, request.precision); !reason.empty())
    fail(
        "--precision {0}: the backend {1} cannot multiply {0} on this CPU ({2}); use --backend "
        "{3}, "
        "or --precision fp32",
        precision_name(request.precision), engine->backend().name, reason, backends().front().name);
  return engine;
}

std::vector<std::string> cautions(Engine& engine, Element precision) {
  std::vector<std::string> sentences;
  const int threads = engine.pool().threads();
  if (threads > usable_cpus())
    sentences.push_back(
        fmt::format("{} threads share {} CPUs: they wait for each other, and the times say little.",
                    threads, usable_cpus()));
  if (precision == Element::kBf16 && widens_bf16(engine))
    sentences.push_back(fmt::format(
        "The {} kernels have no bf16 products: bf16 halves the bytes, but is multiplied as fp32.",
        isa_name(engine.table().isa)));
  return sentences;
}

const char* precision_name(Element precision) {
  return precision == Element::kF32 ? "fp32" : "bf16";
}

}  // namespace vitals
