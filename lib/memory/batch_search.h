// The largest batch that fits, by search over the exact estimate, and what to change when none
// does. Knows budgets in bytes, no devices.
#pragma once

#include "graph/builder.h"
#include "memory/estimate.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitals {

struct FitQuestion;

// A change of the question that may make a larger batch fit.
struct Change {
  std::string change;  // "--checkpoint block"
  std::string meaning;
  std::string cost;
  std::function<void(FitQuestion&)> apply;
  bool needs_devices = false;  // or the host's memory
  bool trains_less = false;
};

struct FitQuestion {
  std::function<Graph(const BuildOptions&)> model;
  BuildOptions build;  // a search for batches does not look at its batch
  MemoryOptions memory;
  Count budget;
  // Ways to train less of the model, or to hold less in inference, which the caller knows how to
  // apply. Of those that train less each includes the ones before it.
  std::vector<Change> adapters = {};
};

struct Fit {
  std::uint64_t batch = 0;  // samples on a device and step; 0: not even the least fits
  Count need;               // of that batch, or of the least when none fits
  Count next_need;          // of the next larger batch
};
// A batch needs its peak, or, where the options ask for the allocator, what that needs.
// Batches are multiples of the number of micro-batches. Throws Error when more than a million
// samples fit: then the memory does not depend on the batch.
[[nodiscard]] Fit largest_batch(const FitQuestion& question);

// One change, what `fit`'s batch (the least one where none fits) takes with it, and the largest
// batch that then fits.
struct Advice {
  std::string change;  // "--checkpoint block"
  std::string meaning;
  std::string cost;
  Count need;
  std::uint64_t largest = 0;
  std::optional<bool> fits = {};  // into the budget, where there is one
};
// What each change takes at the question's own batch, if that is less than `peak`: peaks, without
// the allocator, which is asked for `fits` alone. No batch is searched for: `largest` stays 0.
[[nodiscard]] std::vector<Advice> savings(const FitQuestion& question, Count peak);
// Changes that help, in order of their cost; each alone, then all that need no further device
// together, and with the last of the adapters. `progress` is told how much is done, 0 to 1.
[[nodiscard]] std::vector<Advice> advise(const FitQuestion& question, const Fit& fit,
                                         const std::function<void(double part)>& progress = {});

}  // namespace vitals
