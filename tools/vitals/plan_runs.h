// Training runs on many GPUs with what is predicted of each: rows of a file, or layouts of a
// search, as tables and JSON.
#pragma once

#include "command.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/plan_file.h"
#include "plan/layout_table.h"
#include "plan/step.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vitals::cli {

// A row of the file, and what is predicted for it, or why it cannot be.
struct Planned {
  plan::PlannedRun run;
  plan::StepWork work;
  plan::StepTime time;
  const plan::FrameworkFactors* factors = nullptr;
  std::optional<Count> peak;
  std::string no_memory;  // why there is none
  std::optional<bool> fits;
  std::string error;

  [[nodiscard]] double step_ms() const { return 1e3 * time.seconds(); }
  [[nodiscard]] double mfu(const Machine& machine) const {
    const auto rate = machine.*prices::find_format("bf16")->peak;
    return work.flops / time.seconds() / rate.value_or(1e300);
  }
  [[nodiscard]] double tokens_per_s_per_gpu() const {
    const auto& l = run.layout;
    return l.micro_batch * l.micro_batches * l.dp * run.model.seq_len / l.gpus / time.seconds();
  }
};

// The rows of a CSV file. `with_memory`: their memory is simulated, too.
[[nodiscard]] std::vector<Planned> planned_rows(const std::string& file, bool with_memory);

// "dp 64 zero 3 tp 1 pp 1 mb 1 x 8 recompute": mb is the micro-batch and their number.
[[nodiscard]] std::string layout_text(const plan::Layout& layout);
[[nodiscard]] nlohmann::ordered_json layout_json(const Planned& run);
[[nodiscard]] Table plan_numbers(const std::vector<Planned>& runs);
[[nodiscard]] std::string plan_page(const std::vector<Planned>& runs, const OutputOptions& output);

}  // namespace vitals::cli
