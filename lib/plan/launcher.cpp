#include "plan/launcher.h"

#include "core/error.h"
#include "core/number.h"
#include "core/suggest.h"
#include "plan/launcher_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

namespace vitals::plan {
namespace {

using Run = LaunchedRun;

// A key of a configuration: what is written for a run (nothing: the key is left out), and what a
// value that is read means.
struct Key {
  std::string_view name;  // "parallelism.tensor_parallel_degree", "--tensor-model-parallel-size"
  std::function<std::optional<std::string>(const Run&)> write;
  std::function<void(Run&, const std::string&)> read;
};

struct Launcher {
  std::string_view name;
  std::string_view names_of;  // the version that the keys are those of
  ConfigSyntax syntax;
  std::vector<Key> keys;
  std::string (*refuses)(const Run&);
};

std::string whole_text(double x) { return fmt::format("{:.0f}", x); }

double number(const std::string& text, std::string_view key) {
  const auto n = parse_number(text);
  if (!n || *n < 1 || *n != static_cast<double>(static_cast<std::uint64_t>(*n)))
    fail("{}: '{}' is no whole number of 1 or more", key, text);
  return *n;
}

// A degree that stands as it is.
Key degree(std::string_view name, double Layout::*member, bool always = true) {
  return {name,
          [=](const Run& r) -> std::optional<std::string> {
            if (!always && r.layout.*member <= 1) return std::nullopt;
            return whole_text(r.layout.*member);
          },
          [=](Run& r, const std::string& text) { r.layout.*member = number(text, name); }};
}

// A word that stands where a condition holds.
Key flag(std::string_view name, std::string value, bool (*holds)(const Run&), void (*set)(Run&)) {
  return {name,
          [=](const Run& r) -> std::optional<std::string> {
            return holds(r) ? std::optional(value) : std::nullopt;
          },
          [=](Run& r, const std::string& text) {
            if (text == value) set(r);
          }};
}

Key length(std::string_view name) {
  return {name, [](const Run& r) { return std::optional(whole_text(r.seq_len)); },
          [=](Run& r, const std::string& text) { r.seq_len = number(text, name); }};
}

double global_batch(const Run& r) {
  const auto& l = r.layout;
  return l.micro_batch * l.micro_batches * l.dp;
}

// Read last: the other degrees tell how many micro-batches a global batch is.
Key global(std::string_view name) {
  return {name, [](const Run& r) { return std::optional(whole_text(global_batch(r))); },
          [=](Run& r, const std::string& text) {
            r.layout.micro_batches = number(text, name) / r.layout.micro_batch / r.layout.dp;
          }};
}

Key recompute(std::string_view name, std::map<Recompute, std::string> words) {
  return {name,
          [=](const Run& r) -> std::optional<std::string> {
            const auto word = words.find(r.layout.recompute);
            return word == words.end() ? std::nullopt : std::optional(word->second);
          },
          [=](Run& r, const std::string& text) {
            for (const auto& [how, word] : words)
              if (word == text) r.layout.recompute = how;
          }};
}

// Layers of a stage's chunk, from which the number of chunks is read.
Key chunk_layers(std::string_view name) {
  return {name,
          [](const Run& r) -> std::optional<std::string> {
            const auto& l = r.layout;
            if (l.vpp <= 1) return std::nullopt;
            return whole_text(r.layers / l.pp / l.vpp);
          },
          [=](Run& r, const std::string& text) {
            r.layout.vpp = r.layers / r.layout.pp / number(text, name);
          }};
}

// The number of replicas is what the other degrees leave of all GPUs.
Key all_gpus(std::string_view name) {
  return {name, [](const Run& r) { return std::optional(whole_text(r.layout.gpus)); },
          [=](Run& r, const std::string& text) {
            auto& l = r.layout;
            l.gpus = number(text, name);
            l.dp = l.gpus / l.tp / l.pp / l.cp;
          }};
}

bool shards_all(const Run& r) { return r.layout.zero == 3; }

std::vector<Key> torchtitan_keys() {
  return {
      {"parallelism.data_parallel_replicate_degree",
       [](const Run& r) { return std::optional(shards_all(r) ? "1" : whole_text(r.layout.dp)); },
       [](Run& r, const std::string& text) {
         r.layout.dp = number(text, "data_parallel_replicate_degree");
       }},
      {"parallelism.data_parallel_shard_degree",
       [](const Run& r) { return std::optional(shards_all(r) ? whole_text(r.layout.dp) : "1"); },
       [](Run& r, const std::string& text) {
         const auto n = number(text, "data_parallel_shard_degree");
         r.layout.dp *= n;
         if (n > 1) r.layout.zero = 3;
       }},
      {"parallelism.tensor_parallel_degree",
       [](const Run& r) { return std::optional(whole_text(r.layout.tp)); },
       [](Run& r, const std::string& text) {
         r.layout.tp = number(text, "tensor_parallel_degree");
         r.layout.sp = r.layout.tp > 1;
       }},
      degree("parallelism.pipeline_parallel_degree", &Layout::pp),
      {"parallelism.pipeline_parallel_schedule",
       [](const Run& r) -> std::optional<std::string> {
         if (r.layout.pp <= 1) return std::nullopt;
         return r.layout.vpp > 1 ? "\"Interleaved1F1B\"" : "\"1F1B\"";
       },
       [](Run&, const std::string&) {}},
      chunk_layers("parallelism.pipeline_parallel_layers_per_stage"),
      degree("parallelism.context_parallel_degree", &Layout::cp),
      degree("parallelism.expert_parallel_degree", &Layout::ep),
      degree("parallelism.expert_tensor_parallel_degree", &Layout::etp),
      degree("parallelism.pipeline_parallel_microbatch_size", &Layout::micro_batch),
      {"training.local_batch_size",
       [](const Run& r) {
         const auto& l = r.layout;
         return std::optional(whole_text(l.micro_batch * (l.pp > 1 ? l.micro_batches : 1)));
       },
       [](Run& r, const std::string& text) {
         if (r.layout.pp <= 1) r.layout.micro_batch = number(text, "local_batch_size");
       }},
      length("training.seq_len"),
      global("training.global_batch_size"),
      recompute("activation_checkpoint.mode", {{Recompute::none, "\"none\""},
                                               {Recompute::selective, "\"selective\""},
                                               {Recompute::full, "\"full\""}}),
  };
}

std::string torchtitan_refuses(const Run& r) {
  const auto& l = r.layout;
  if (l.zero != 3 && l.zero != 0 && l.dp > 1)
    return fmt::format("ZeRO stage {}: data_parallel_shard_degree cuts the weights, too (stage 3)",
                       l.zero);
  if (l.tp > 1 && !l.sp) return "tensor without sequence parallelism: no field turns it off";
  return "";
}

std::vector<Key> megatron_keys() {
  return {
      degree("--tensor-model-parallel-size", &Layout::tp),
      flag(
          "--sequence-parallel", "", [](const Run& r) { return r.layout.sp; },
          [](Run& r) { r.layout.sp = true; }),
      degree("--pipeline-model-parallel-size", &Layout::pp),
      chunk_layers("--num-layers-per-virtual-pipeline-stage"),
      degree("--context-parallel-size", &Layout::cp, false),
      degree("--expert-model-parallel-size", &Layout::ep, false),
      degree("--expert-tensor-parallel-size", &Layout::etp, false),
      flag(
          "--use-distributed-optimizer", "", [](const Run& r) { return r.layout.zero == 1; },
          [](Run& r) { r.layout.zero = 1; }),
      flag(
          "--use-megatron-fsdp", "", [](const Run& r) { return r.layout.zero > 1; }, [](Run&) {}),
      flag(
          "--data-parallel-sharding-strategy", "optim_grads",
          [](const Run& r) { return r.layout.zero == 2; }, [](Run& r) { r.layout.zero = 2; }),
      flag("--data-parallel-sharding-strategy", "optim_grads_params", shards_all,
           [](Run& r) { r.layout.zero = 3; }),
      recompute("--recompute-granularity",
                {{Recompute::selective, "selective"}, {Recompute::full, "full"}}),
      flag(
          "--recompute-method", "uniform",
          [](const Run& r) { return r.layout.recompute == Recompute::full; }, [](Run&) {}),
      flag(
          "--recompute-num-layers", "1",
          [](const Run& r) { return r.layout.recompute == Recompute::full; }, [](Run&) {}),
      degree("--micro-batch-size", &Layout::micro_batch),
      length("--seq-length"),
      all_gpus("# world-size"),  // torchrun's, which a comment names
      global("--global-batch-size"),
  };
}

std::vector<Key> bridge_keys() {
  return {
      degree("model.tensor_model_parallel_size", &Layout::tp),
      flag(
          "model.sequence_parallel", "true", [](const Run& r) { return r.layout.sp; },
          [](Run& r) { r.layout.sp = true; }),
      degree("model.pipeline_model_parallel_size", &Layout::pp),
      degree("model.virtual_pipeline_model_parallel_size", &Layout::vpp, false),
      degree("model.context_parallel_size", &Layout::cp, false),
      degree("model.expert_model_parallel_size", &Layout::ep, false),
      degree("model.expert_tensor_parallel_size", &Layout::etp, false),
      flag(
          "ddp.use_distributed_optimizer", "true", [](const Run& r) { return r.layout.zero == 1; },
          [](Run& r) { r.layout.zero = 1; }),
      flag(
          "ddp.data_parallel_sharding_strategy", "optim_grads",
          [](const Run& r) { return r.layout.zero == 2; }, [](Run& r) { r.layout.zero = 2; }),
      flag("ddp.data_parallel_sharding_strategy", "optim_grads_params", shards_all,
           [](Run& r) { r.layout.zero = 3; }),
      recompute("model.recompute_granularity",
                {{Recompute::selective, "selective"}, {Recompute::full, "full"}}),
      degree("train.micro_batch_size", &Layout::micro_batch),
      all_gpus("# world_size"),
      global("train.global_batch_size"),
  };
}

std::string nothing_refused(const Run&) { return ""; }

std::string refuses_pipeline(const Run& r, const char* who, bool experts) {
  const auto& l = r.layout;
  if (l.pp > 1) return fmt::format("{} pipeline stages: {} has no field for them", l.pp, who);
  if (!experts && l.ep > 1)
    return fmt::format("expert parallelism of {}: {} has no field for it", l.ep, who);
  return "";
}

std::vector<Key> deepspeed_keys() {
  return {
      {"zero_optimization.stage",
       [](const Run& r) { return std::optional(std::to_string(r.layout.zero)); },
       [](Run& r, const std::string& text) {
         r.layout.zero = text == "0" ? 0U : static_cast<unsigned>(number(text, "stage"));
       }},
      degree("tensor_parallel.autotp_size", &Layout::tp, false),
      degree("expert_parallel.autoep_size", &Layout::ep, false),
      degree("train_micro_batch_size_per_gpu", &Layout::micro_batch),
      degree("gradient_accumulation_steps", &Layout::micro_batches),
      {"train_batch_size", [](const Run& r) { return std::optional(whole_text(global_batch(r))); },
       [](Run& r, const std::string& text) {
         auto& l = r.layout;
         l.dp = number(text, "train_batch_size") / l.micro_batch / l.micro_batches;
       }},
  };
}

std::string deepspeed_refuses(const Run& r) {
  const auto& l = r.layout;
  if (l.cp > 1) return "context parallelism: it is set up in the program";
  if (l.sp) return "sequence parallelism beside tensor parallelism: there is no field for it";
  if (l.recompute != Recompute::none)
    return "recomputation: the program calls it (deepspeed.checkpointing)";
  return refuses_pipeline(r, "the JSON", true);
}

std::vector<Key> accelerate_keys() {
  return {
      flag(
          "distributed_type", "FSDP", [](const Run&) { return true; }, [](Run&) {}),
      flag(
          "fsdp_config.fsdp_version", "2", [](const Run&) { return true; }, [](Run&) {}),
      {"fsdp_config.fsdp_reshard_after_forward",
       [](const Run& r) { return std::optional<std::string>(shards_all(r) ? "true" : "false"); },
       [](Run& r, const std::string& text) { r.layout.zero = text == "true" ? 3 : 2; }},
      flag(
          "fsdp_config.fsdp_activation_checkpointing", "true",
          [](const Run& r) { return r.layout.recompute == Recompute::full; },
          [](Run& r) { r.layout.recompute = Recompute::full; }),
      degree("parallelism_config.parallelism_config_dp_shard_size", &Layout::dp),
      degree("parallelism_config.parallelism_config_tp_size", &Layout::tp),
      degree("parallelism_config.parallelism_config_cp_size", &Layout::cp),
      // Arguments of the program, which a comment names.
      degree("# per_device_train_batch_size", &Layout::micro_batch),
      degree("# gradient_accumulation_steps", &Layout::micro_batches),
      {"num_machines",
       [](const Run& r) {
         return std::optional(whole_text(r.layout.gpus / r.layout.gpus_per_node));
       },
       [](Run&, const std::string&) {}},
      {"num_processes", [](const Run& r) { return std::optional(whole_text(r.layout.gpus)); },
       [](Run& r, const std::string& text) { r.layout.gpus = number(text, "num_processes"); }},
  };
}

std::string accelerate_refuses(const Run& r) {
  const auto& l = r.layout;
  if (l.zero < 2) return fmt::format("ZeRO stage {}: FSDP cuts gradients and weights", l.zero);
  if (l.sp)
    return "sequence parallelism: parallelism_config_tp_size does not cut the residual stream";
  if (l.recompute == Recompute::selective)
    return "selective recomputation: fsdp_activation_checkpointing is all or nothing";
  return refuses_pipeline(r, "the YAML", false);
}

std::vector<Key> nanotron_keys() {
  return {
      degree("parallelism.tp", &Layout::tp),
      degree("parallelism.pp", &Layout::pp),
      degree("parallelism.expert_parallel_size", &Layout::ep),
      flag(
          "parallelism.pp_engine", "1f1b", [](const Run& r) { return r.layout.pp > 1; },
          [](Run&) {}),
      flag(
          "parallelism.tp_mode", "REDUCE_SCATTER", [](const Run& r) { return r.layout.sp; },
          [](Run& r) { r.layout.sp = true; }),
      flag(
          "parallelism.tp_mode", "ALL_REDUCE", [](const Run& r) { return !r.layout.sp; },
          [](Run&) {}),
      degree("parallelism.dp", &Layout::dp),
      {"optimizer.zero_stage",
       [](const Run& r) { return std::optional(std::to_string(r.layout.zero)); },
       [](Run& r, const std::string& text) {
         r.layout.zero = text == "0" ? 0U : static_cast<unsigned>(number(text, "zero_stage"));
       }},
      degree("tokens.micro_batch_size", &Layout::micro_batch),
      degree("tokens.batch_accumulation_per_replica", &Layout::micro_batches),
      length("tokens.sequence_length"),
  };
}

std::string nanotron_refuses(const Run& r) {
  const auto& l = r.layout;
  if (l.zero > 1) return fmt::format("ZeRO stage {}: nanotron has stages 0 and 1", l.zero);
  if (l.vpp > 1) return "interleaved stages: pp_engine has none";
  if (l.cp > 1) return "context parallelism: parallelism has no field for it";
  if (l.recompute != Recompute::none)
    return "recomputation: a field of the model's own code, not of parallelism";
  return "";
}

const std::vector<Launcher>& all_launchers() {
  static const std::vector<Launcher> all = [] {
    return std::vector<Launcher>{
        {"torchtitan", "torchtitan 0.2.2", ConfigSyntax::toml, torchtitan_keys(),
         torchtitan_refuses},
        {"megatron", "Megatron-LM, core 0.14", ConfigSyntax::flags, megatron_keys(),
         nothing_refused},
        {"megatron-bridge", "Megatron-Bridge 0.1", ConfigSyntax::fields, bridge_keys(),
         nothing_refused},
        {"deepspeed", "DeepSpeed 0.17", ConfigSyntax::json, deepspeed_keys(), deepspeed_refuses},
        {"accelerate", "accelerate 1.10", ConfigSyntax::yaml, accelerate_keys(),
         accelerate_refuses},
        {"nanotron", "nanotron 0.4", ConfigSyntax::yaml, nanotron_keys(), nanotron_refuses}};
  }();
  return all;
}

const Launcher& launcher_named(std::string_view name) {
  const auto& all = all_launchers();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Launcher& l) { return l.name == name; });
  if (found == all.end())
    fail("unknown launcher '{}'{} (known: {})", name, did_you_mean(name, launchers()),
         fmt::join(launchers(), ", "));
  return *found;
}

}  // namespace

std::vector<std::string> launchers() {
  std::vector<std::string> names;
  for (const auto& launcher : all_launchers()) names.emplace_back(launcher.name);
  return names;
}

std::string unexpressed(std::string_view launcher, const LaunchedRun& run) {
  return launcher_named(launcher).refuses(run);
}

std::string launcher_config(std::string_view name, const LaunchedRun& run) {
  const auto& launcher = launcher_named(name);
  if (const auto fault = launcher.refuses(run); !fault.empty()) fail("{}: {}", name, fault);
  std::vector<ConfigPair> pairs;
  for (const auto& key : launcher.keys)
    if (auto value = key.write(run)) pairs.emplace_back(key.name, std::move(*value));
  return config_text(launcher.syntax, pairs,
                     fmt::format("{}: only what the layout decides.", launcher.names_of));
}

LaunchedRun launched_run(std::string_view name, const std::string& text, double layers) {
  const auto& launcher = launcher_named(name);
  const auto pairs = config_pairs(launcher.syntax, text);
  LaunchedRun run;
  run.layers = layers;
  std::size_t known = 0;
  for (const auto& key : launcher.keys)
    for (const auto& [found, value] : pairs)
      if (found == key.name) {
        key.read(run, value);
        ++known;
      }
  if (known == 0)
    fail("no key of {} is in it; the first is {}", launcher.names_of, launcher.keys.front().name);
  auto& l = run.layout;
  if (l.gpus <= 1) l.gpus = l.dp * l.tp * l.pp * l.cp;
  return run;
}

}  // namespace vitals::plan
