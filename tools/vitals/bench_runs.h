// What `bench` measures: which models, at which batch sizes and numbers of threads, in which order.
#pragma once

#include "command.h"
#include "compute_options.h"
#include "report/measured/bench.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitals::cli {

struct BenchArguments {
  ModelOptions model;
  std::string second;  // a model to compare with
  OutputOptions output;
  ComputeOptions compute;
  std::vector<std::uint64_t> batches;  // empty: one sample
  std::vector<int> threads;            // empty: one thread for every CPU
  double warm_up_seconds = 0.2;
  double seconds = 3;
  std::optional<std::size_t> runs;
  bool fresh = false;       // measure the machine's limits anew
  std::string save_device;  // a file

  // A calibration of the machine measures models of its own unless told.
  [[nodiscard]] bool own_set() const { return !save_device.empty() && model.model.empty(); }
  [[nodiscard]] std::vector<std::uint64_t> all_batches() const;
  // What runs in turns, and then what comes after it.
  [[nodiscard]] std::vector<std::vector<std::string>> rounds() const;
  [[nodiscard]] double seconds_a_round() const { return own_set() ? seconds / kVisits : seconds; }

  // So often a model of its own is visited: what disturbs one visit may spare the next.
  static constexpr int kVisits = 3;
};

// Every batch size with every number of threads; with two models their results stand in pairs.
// Throws vitals::Error where nothing was measured, or where a calibration is not whole.
std::vector<BenchResult> measure(const BenchArguments& arguments);

}  // namespace vitals::cli
