#include "memory/batch_search.h"

#include "core/error.h"
#include "memory/simulator/step.h"

#include <algorithm>
#include <map>

namespace vitals {
namespace {

constexpr std::uint64_t kMostSamples = 1 << 20;

// What micro-batches need, each computed once.
class Needs {
 public:
  explicit Needs(const FitQuestion& question) : question_(question) {}

  Count exact(std::uint64_t samples) {
    const auto [it, added] = exact_.try_emplace(samples);
    if (added) it->second = needed(samples, question_.memory);
    return it->second;
  }
  // A value on the same side of the budget, which is found much sooner.
  Count rough(std::uint64_t samples) {
    if (const auto it = exact_.find(samples); it != exact_.end()) return it->second;
    const auto [it, added] = rough_.try_emplace(samples);
    if (added) {
      auto quick = question_.memory;
      quick.budget = question_.budget;
      it->second = needed(samples, quick);
    }
    return it->second;
  }
  bool fits(std::uint64_t samples) { return rough(samples) <= question_.budget; }

 private:
  [[nodiscard]] Count needed(std::uint64_t samples, const MemoryOptions& options) const {
    auto build = question_.build;
    build.batch = samples;
    return needed_memory(question_.model(build), options);
  }

  const FitQuestion& question_;
  std::map<std::uint64_t, Count> exact_;
  std::map<std::uint64_t, Count> rough_;
};

bool trains_in_fp32(const Precision& p) { return p.weights == DType::f32 && !p.autocast; }

bool has_head(const FitQuestion& q) {
  auto build = q.build;
  build.batch = std::max<std::uint64_t>(build.batch, 1);
  return eager::head_of(q.model(build)).has_value();
}

void add_without_loss(const FitQuestion& q, std::vector<Change>& changes) {
  if (q.build.attention == AttentionKernel::eager)
    changes.push_back({"--attention fused", "never hold the attention scores",
                       "none: it is faster, too",
                       [](FitQuestion& c) { c.build.attention = AttentionKernel::fused; }});
  const bool whole_logits = q.memory.loss != Loss::none && q.memory.loss != Loss::fused_linear;
  if (q.memory.training && whole_logits && has_head(q))
    changes.push_back({"--loss fused-linear", "head and loss in chunks of rows: no whole logits",
                       "none (Liger's kernel)",
                       [](FitQuestion& c) { c.memory.loss = Loss::fused_linear; }});
  if (q.memory.training && q.memory.optimizer_impl == OptimizerImpl::foreach &&
      q.memory.optimizer.temporaries == StepTemporaries::adam)
    changes.push_back({"--optimizer-impl fused", "no square roots of all states at once", "none",
                       [](FitQuestion& c) { c.memory.optimizer_impl = OptimizerImpl::fused; }});
  if (q.memory.training && trains_in_fp32(q.memory.precision))
    changes.push_back({"--precision amp", "run products in 16 bits",
                       "none as a rule: it is faster, too",
                       [](FitQuestion& c) { c.memory.precision = precision("amp"); }});
  if (!q.memory.training && q.memory.precision.weights == DType::f32)
    changes.push_back({"--precision bf16", "hold weights and activations in 16 bits",
                       "some digits of the result",
                       [](FitQuestion& c) { c.memory.precision = precision("bf16"); }});
}

void add_recomputation(const FitQuestion& q, std::vector<Change>& changes) {
  if (q.memory.checkpoint == ActivationCheckpointing::none &&
      q.build.attention == AttentionKernel::eager)
    changes.push_back({"--checkpoint selective", "run attention's core again in the backward pass",
                       "a few % more time", [](FitQuestion& c) {
                         c.memory.checkpoint = ActivationCheckpointing::selective;
                       }});
  if (q.memory.checkpoint != ActivationCheckpointing::block)
    changes.push_back({"--checkpoint block", "keep only the inputs of blocks, run each block again",
                       "33 % more time", [](FitQuestion& c) {
                         c.memory.checkpoint = ActivationCheckpointing::block;
                       }});
}

Change fully_sharded(const Parallelism& p, bool fsdp) {
  const auto apply = [fsdp](FitQuestion& c) {
    if (fsdp)
      c.memory.parallel.fsdp = 2;
    else
      c.memory.parallel.zero = 3;
    if (c.memory.parallel.data == 1) c.memory.parallel.data = 8;
  };
  const bool alone = p.data == 1;
  return {fmt::format("--dp {} {}", alone ? 8 : p.data, fsdp ? "--fsdp 2" : "--zero 3"),
          "cut weights, gradients and states over the data-parallel ranks",
          alone ? "eight devices, communication" : "more communication", apply, alone};
}

// In order of cost.
std::vector<Change> possible_changes(const FitQuestion& q) {
  std::vector<Change> changes;
  add_without_loss(q, changes);
  if (!q.memory.training) {
    changes.insert(changes.end(), q.adapters.begin(), q.adapters.end());
    return changes;
  }
  add_recomputation(q, changes);
  if (q.memory.optimizer.states > 1 && q.memory.optimizer.form == StateForm::full)
    changes.push_back({"--optimizer adamw8bit", "optimizer states of one byte",
                       "another optimizer's accuracy",
                       [](FitQuestion& c) { c.memory.optimizer = optimizer("adamw8bit"); }});
  changes.insert(changes.end(), q.adapters.begin(), q.adapters.end());
  const bool gpu = q.memory.device == eager::Device::cuda;
  if (gpu && q.memory.optimizer.states > 0 && q.memory.parallel.fsdp == 0 &&
      !q.memory.offload.steps_on_host())
    changes.push_back({"--offload optimizer", "states and the step on the host", "the host's step",
                       [](FitQuestion& c) { c.memory.offload.optimizer = true; }, true});
  const auto& p = q.memory.parallel;
  const bool fsdp = q.memory.stack.fp32_shards && p.tensor == 1 && p.pipeline == 1;
  if (p.zero < 3 && p.fsdp == 0) changes.push_back(fully_sharded(p, fsdp && p.zero == 0));
  return changes;
}

// By enough that a reader sees it.
bool helps(Count less, Count need) { return less.as_double() < 0.995 * need.as_double(); }

// Above `good`, which fits, and below `bad`, which does not (0: not known): where a straight line
// through what is known meets the budget. Needs are nearly straight lines.
std::uint64_t next_guess(Needs& needs, Count budget, std::uint64_t before, std::uint64_t good,
                         std::uint64_t bad) {
  const auto other = bad > 0 ? bad : before;
  const auto rise = needs.rough(other).as_double() - needs.rough(good).as_double();
  const auto run = static_cast<double>(other) - static_cast<double>(good);
  const auto room = budget.as_double() - needs.rough(good).as_double();
  const auto most = bad > 0 ? bad - 1 : std::min(good * 64, kMostSamples);
  const double steps = rise * run > 0 ? room / rise * run : static_cast<double>(most);
  return std::clamp(good + static_cast<std::uint64_t>(std::min(steps, static_cast<double>(most))),
                    good + 1, most);
}

// The largest number of samples in a micro-batch, at most kMostSamples; 0 where not even one fits.
std::uint64_t search(const FitQuestion& question, Needs& needs) {
  if (!needs.fits(1)) return 0;
  std::uint64_t before = 0;
  std::uint64_t good = 1;
  std::uint64_t bad = 0;
  constexpr int kStraight = 8;  // guesses along lines; then halves
  constexpr std::uint64_t kStride = 16;
  for (int i = 0; bad != good + 1 && good < kMostSamples; ++i) {
    auto guess = bad > 0 ? good + (bad - good) / 2 : kStride * good;
    if (i < kStraight && before + bad > 0)
      guess = next_guess(needs, question.budget, before, good, bad);
    if (needs.fits(guess)) {
      before = good;
      good = guess;
    } else {
      bad = guess;
    }
  }
  return good;
}

}  // namespace

Fit largest_batch(const FitQuestion& question) {
  Needs needs(question);
  const auto samples = search(question, needs);
  if (samples >= kMostSamples)
    fail("the budget is too large: more than {} samples fit, and no larger batch is tried",
         kMostSamples);
  if (samples == 0) return {0, needs.exact(1), needs.exact(1)};
  return {samples * question.memory.parallel.micro_batches, needs.exact(samples),
          needs.exact(samples + 1)};
}

std::vector<Advice> savings(const FitQuestion& question, Count peak) {
  std::vector<Advice> advice;
  for (const auto& change : possible_changes(question)) {
    auto changed = question;
    change.apply(changed);
    auto live = changed;
    live.memory.allocator = false;
    const auto less = Needs(live).exact(live.build.batch);
    if (!helps(less, peak)) continue;
    advice.push_back({change.change, change.meaning, change.cost, less, 0});
    if (question.budget > Count(0))
      advice.back().fits = less <= question.budget && Needs(changed).fits(changed.build.batch);
  }
  return advice;
}

std::vector<Advice> advise(const FitQuestion& question, const Fit& fit,
                           const std::function<void(double part)>& progress) {
  std::vector<Advice> advice;
  const auto samples =
      std::max<std::uint64_t>(fit.batch / question.memory.parallel.micro_batches, 1);
  // Notes a change that helps.
  const auto tell = [&](const Change& change, const FitQuestion& changed) {
    Needs needs(changed);
    const auto need = needs.exact(samples);
    const auto largest = search(changed, needs) * changed.memory.parallel.micro_batches;
    const bool better = largest > fit.batch || helps(need, fit.need);
    if (better) advice.push_back({change.change, change.meaning, change.cost, need, largest});
    return better;
  };
  auto together = question;
  Change all{"", "all of these that need no further device", "their sum", {}};
  int joined = 0;
  const Change* adapted = nullptr;
  const auto changes = possible_changes(question);
  const auto all_steps = static_cast<double>(changes.size() + 1);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto& change = changes[i];
    if (progress) progress(static_cast<double>(i) / all_steps);
    auto changed = question;
    change.apply(changed);
    const bool better = tell(change, changed);
    // Whole blocks include what selective checkpointing spares.
    if (!better || change.needs_devices || change.change == "--checkpoint selective") continue;
    if (change.trains_less) {
      adapted = &change;
      continue;
    }
    change.apply(together);
    all.change += (joined++ > 0 ? " " : "") + change.change;
  }
  if (joined > 1) tell(all, together);
  if (joined > 0 && adapted != nullptr) {
    adapted->apply(together);
    all.change += " " + adapted->change;
    all.meaning = "these, and the adapters";
    tell(all, together);
  }
  return advice;
}

}  // namespace vitals
