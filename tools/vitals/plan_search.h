// `vitals plan MODEL --gpus N`: layouts of a training run over many GPUs, searched or stated.
#pragma once

#include "command.h"
#include "plan/launcher.h"
#include "plan_runs.h"

#include <map>
#include <string>
#include <vector>

namespace vitals::cli {

struct SearchOptions {
  std::string gpus;  // "64xh100" or "8x8xh100"
  std::string precision = "bf16";
  std::string framework = "Megatron-LM";
  std::uint64_t global_batch = 0;  // samples; 0: some 4 M tokens
  std::size_t top = 10;
  bool no_memory = false;
  std::string layout;  // "dp=8,tp=8,micro_batch=1": this one alone
  std::string from;    // "torchtitan=run.toml": the one that the file states
  std::string emit;    // a launcher, whose configuration is written; empty: none
};

struct Search {
  std::string model;
  std::string device;
  std::uint64_t gpus = 0;
  std::vector<Planned> best;
  std::size_t tried = 0;
  std::map<std::string, std::size_t> refused;
};

void add_search_options(Command& command, SearchOptions& options);

// Every layout whose degrees divide the model and the GPUs, by step time; memory is simulated in
// that order until enough fit. Or the one that is stated. Where a configuration is to be written,
// those that its launcher has no words for are refused.
[[nodiscard]] Search searched(const Model& model, std::optional<std::uint64_t> seq_len,
                              const SearchOptions& options);

[[nodiscard]] nlohmann::ordered_json search_json(const Search& search,
                                                 const SearchOptions& options);
[[nodiscard]] std::string search_page(const Search& search, const OutputOptions& output);
// Of the first layout. Throws Error where there is none.
[[nodiscard]] std::string emitted(const Search& search, const SearchOptions& options);

}  // namespace vitals::cli
