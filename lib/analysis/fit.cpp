#include "analysis/fit.h"

#include "core/error.h"

#include <map>

namespace vitals {
namespace {

constexpr std::uint64_t kMostSamples = 1 << 20;

// Peaks by micro-batch, each computed once.
class Peaks {
 public:
  explicit Peaks(const FitQuestion& question) : question_(question) {}

  Count operator()(std::uint64_t samples) {
    const auto [it, added] = known_.try_emplace(samples);
    if (added) {
      auto build = question_.build;
      build.batch = samples;
      it->second = peak_memory(question_.model(build), question_.memory);
    }
    return it->second;
  }
  bool fits(std::uint64_t samples) { return (*this)(samples) <= question_.budget; }

 private:
  const FitQuestion& question_;
  std::map<std::uint64_t, Count> known_;
};

struct Change {
  std::string change;
  std::string meaning;
  std::string cost;
  std::function<void(FitQuestion&)> apply;
  bool needs_devices = false;
};

std::vector<Change> possible_changes(const FitQuestion& q) {
  std::vector<Change> changes;
  const bool eager = q.build.attention == AttentionKernel::eager;
  if (eager)
    changes.push_back({"--attention fused", "never hold the attention scores",
                       "none: it is faster, too",
                       [](FitQuestion& c) { c.build.attention = AttentionKernel::fused; }});
  if (!q.memory.training) return changes;
  if (q.memory.checkpoint == Checkpoint::none && eager)
    changes.push_back({"--checkpoint selective", "run attention's core again in the backward pass",
                       "a few % more time",
                       [](FitQuestion& c) { c.memory.checkpoint = Checkpoint::selective; }});
  if (q.memory.checkpoint != Checkpoint::block)
    changes.push_back({"--checkpoint block", "keep only the inputs of blocks, run each block again",
                       "some 33 % more time: a second forward pass",
                       [](FitQuestion& c) { c.memory.checkpoint = Checkpoint::block; }});
  if (q.memory.optimizer.states > 1 && q.memory.optimizer.form == StateForm::full)
    changes.push_back({"--optimizer adamw8bit", "optimizer states of one byte",
                       "another optimizer's accuracy",
                       [](FitQuestion& c) { c.memory.optimizer = optimizer("adamw8bit"); }});
  const auto& p = q.memory.parallel;
  if (p.zero < 3)
    changes.push_back({p.data > 1 ? fmt::format("--dp {} --zero 3", p.data) : "--dp 8 --zero 3",
                       "cut weights, gradients and states over the data-parallel ranks",
                       p.data > 1 ? "more communication" : "eight devices, and communication",
                       [](FitQuestion& c) {
                         c.memory.parallel.zero = 3;
                         if (c.memory.parallel.data == 1) c.memory.parallel.data = 8;
                       },
                       p.data == 1});
  return changes;
}

}  // namespace

Fit largest_batch(const FitQuestion& question) {
  Peaks peaks(question);
  const auto micro = question.memory.parallel.micro_batches;
  Fit fit;
  if (!peaks.fits(1)) {
    fit.peak = fit.next_peak = peaks(1);
    return fit;
  }
  std::uint64_t good = 1;
  std::uint64_t bad = 2;
  while (peaks.fits(bad)) {
    good = bad;
    bad *= 2;
    if (bad > kMostSamples)
      fail("more than {} samples fit: the batch does not decide", kMostSamples);
  }
  while (bad - good > 1) {
    const auto middle = good + (bad - good) / 2;
    (peaks.fits(middle) ? good : bad) = middle;
  }
  fit.batch = good * micro;
  fit.peak = peaks(good);
  fit.next_peak = peaks(good + 1);
  return fit;
}

std::vector<Advice> advise(const FitQuestion& question, std::uint64_t batch) {
  std::vector<Advice> advice;
  const auto micro = question.memory.parallel.micro_batches;
  const auto tell = [&](const Change& change, const FitQuestion& changed) {
    const auto peak = Peaks(changed)(std::max<std::uint64_t>(batch / micro, 1));
    advice.push_back({change.change, change.meaning, change.cost, peak, peak <= question.budget});
  };
  auto together = question;
  Change all{"", "all of these that need no further device", "their sum", {}};
  int joined = 0;
  for (const auto& change : possible_changes(question)) {
    auto changed = question;
    change.apply(changed);
    tell(change, changed);
    // Whole blocks include what selective checkpointing spares.
    if (change.needs_devices || change.change == "--checkpoint selective") continue;
    change.apply(together);
    all.change += (joined++ > 0 ? " " : "") + change.change;
  }
  if (joined > 1) tell(all, together);
  return advice;
}

}  // namespace vitals
