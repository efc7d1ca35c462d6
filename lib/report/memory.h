// `vitals memory` in its forms: the answer as text, the table by module, JSON, and the timeline as
// a picture. Formatting only.
#pragma once

#include "graph/builder.h"
#include "memory/batch_search.h"
#include "memory/estimate.h"
#include "report/memory_measured.h"
#include "report/module_tree.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vitals {

// What was asked, and what came out.
struct MemoryAnswer {
  struct Budget {
    Count bytes;
    std::string text;  // "24GB", "the NVIDIA T4's 16 GiB less 1.9 GiB for CUDA"
  };

  const Graph& graph;  // of one micro-batch
  MemoryOptions options;
  AttentionKernel attention = AttentionKernel::fused;
  std::uint64_t batch = 1;              // on a device and step
  std::string device;                   // "cuda", "cpu" or a name
  MemoryEstimate whole;                 // on one device
  std::optional<MemoryEstimate> share;  // of the most loaded device, when there are several

  struct FitResult {
    Fit fit;
    Budget budget;
    std::vector<Advice> advice;
    // The command about the batch that was found; where none fits, with the cheapest change that
    // makes one fit. Empty: no change does.
    std::string command = {};
  };
  std::optional<FitResult> fit;
  std::optional<Budget> capacity;  // of a named device
  std::string quantization = {};   // the scheme of the stored weights; empty: none
  Count reserve = {};              // what the system takes, beside what the allocator needs

  // What is trained of the graph, as it was asked for; the graph is already so.
  struct Trained {
    std::vector<std::string> frozen;
    std::optional<std::uint64_t> lora_rank;
    std::vector<std::string> lora_targets;
  };
  Trained trained = {};

  // Of a GPU: PyTorch's name of what runs there, and who takes the reserve.
  struct Runtime {
    std::string name = "cuda";
    std::string reserved_for = "CUDA";

    [[nodiscard]] bool is_cuda() const { return name == "cuda"; }
  };
  Runtime runtime = {};
  std::uint64_t accumulate = 1;                 // batches before a step
  std::optional<MeasuredBeside> measured = {};  // of a step that ran

  // What would take less, without a search for batches: in order of cost.
  std::vector<Advice> changes = {};
  // The same question with weights of other types.
  struct OfType {
    std::string name;  // "bf16"
    Count weights;
    Count need;  // as need() counts
  };
  std::vector<OfType> types = {};

  [[nodiscard]] bool keeps_cache() const { return !options.training && !graph.kv_caches.empty(); }
  // Tokens that the cache of a model that generates holds at the end.
  [[nodiscard]] std::uint64_t cached_tokens() const {
    return options.cached_tokens > 0 ? options.cached_tokens : graph.num_tokens;
  }
  [[nodiscard]] const MemoryEstimate& on_device() const { return share ? *share : whole; }
  [[nodiscard]] Count need() const {
    return on_device().allocator.value_or(on_device().peak.bytes);
  }
  // What the device must have: with what the system takes, where the allocator was asked.
  [[nodiscard]] Count total() const {
    return need() + (on_device().allocator ? reserve : Count(0));
  }
  // Nothing where no device with a known memory is named.
  [[nodiscard]] std::optional<bool> fits() const {
    if (!capacity) return std::nullopt;
    return need() <= capacity->bytes;
  }
};

struct MemoryTextOptions {
  TreeOptions tree;
  bool timeline = false;
  bool markdown = false;
  TextLayout layout = {};
  bool details = false;  // everything, not only the first screen
  bool modules = false;  // the table by module in any case
};

// The answer on one screen: what the device must have, what that is made of, what sets it, and
// what would take less (with `details` all of it). It leaves two lines for what --details adds.
[[nodiscard]] std::string memory_page(const MemoryAnswer& answer, const MemoryTextOptions& options);

[[nodiscard]] std::string memory_text(const MemoryAnswer& answer, const MemoryTextOptions& options);
// Module, type, weights, what autograd keeps; with shares for people, raw numbers otherwise.
[[nodiscard]] Table memory_modules(const MemoryAnswer& answer, const TreeOptions& options);
[[nodiscard]] nlohmann::ordered_json memory_json(const MemoryAnswer& answer);
// All numbers of that JSON but the timeline, one a row.
[[nodiscard]] Table memory_numbers(const nlohmann::ordered_json& json);

// Where no batch fits: why, and what would help, for people and for programs.
[[nodiscard]] std::string nothing_fits(const MemoryAnswer::FitResult& fit);
[[nodiscard]] Table advice_table(const MemoryAnswer::FitResult& fit);
[[nodiscard]] nlohmann::ordered_json unfit_json(const std::string& model,
                                                const MemoryOptions& options,
                                                const MemoryAnswer::FitResult& fit);

// Bytes of the weights that modules hold themselves.
[[nodiscard]] std::vector<Count> weights_by_module(const MemoryAnswer& answer);

}  // namespace vitals
