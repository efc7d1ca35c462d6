#include "report/memory.h"

#include "command.h"
#include "core/error.h"
#include "core/file.h"
#include "cost/generation.h"
#include "frontends/gguf/gguf.h"
#include "frontends/torch/measured_memory.h"
#include "graph/lora_targets.h"
#include "latency/execution.h"
#include "memory/explain_memory.h"
#include "memory/quantized/quantization.h"
#include "memory_device.h"
#include "memory_llama.h"
#include "progress.h"
#include "recipe_options.h"
#include "report/memory_snapshot.h"
#include "terminal.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace vitals::cli {
namespace {

struct MemoryArguments {
  ModelOptions model;
  OutputOptions output;
  Recipe recipe;
  MemoryDevice place;
  bool allocator = false;
  std::optional<std::size_t> depth = 3;
  bool no_fold = false;
  bool timeline = false;
  std::string snapshot;  // the file to export to
  std::string measured;  // the file to compare with
  std::optional<std::string> explain;
  std::vector<FailCondition> fail_if;
  Given given;
};

constexpr const char* kNoAllocator =
    "--allocator replays the caching allocator of CUDA and ROCm: it says nothing of another device";

// Against the memory of the device that was named. NaN where there is none.
struct OnDevice {
  double total = std::nan("");  // bytes, with what the system takes
  double fits = std::nan("");
};

OnDevice on_device(const MemoryAnswer& a) {
  const auto fits = a.fits();
  if (!fits) return {};
  return {(a.need() + a.reserve).as_double(), *fits ? 1.0 : 0.0};
}

// What --fail-if may ask, of the most loaded device.
std::vector<Quantity> memory_figures(const MemoryEstimate& e, const OnDevice& device) {
  const auto bytes = [](const char* name, Count value) {
    return Quantity{name, Unit::bytes, value.as_double()};
  };
  return {bytes("memory", e.peak.bytes),
          bytes("peak", e.peak.bytes),
          bytes("total", e.bytes.total()),
          bytes("weights", e.bytes.weights),
          bytes("gradients", e.bytes.gradients),
          bytes("optimizer", e.bytes.optimizer),
          bytes("activations", e.bytes.activations),
          bytes("workspace", e.bytes.workspace),
          bytes("kv_cache", e.bytes.kv_cache),
          {"device_total", Unit::bytes, device.total},
          {"fits", Unit::count, device.fits, true}};
}

MemoryOptions options_of(const MemoryArguments& o) {
  auto m = memory_options(o.recipe, o.place.is_cpu() ? eager::Device::cpu : eager::Device::cuda);
  const auto& on = o.place.on ? o.place.on : o.place.fit_on;
  m.allocator = o.allocator || (on && has_caching_allocator(*on));
  m.composition = o.output.details;
  return m;
}

bool for_people(const OutputOptions& o) {
  return o.format == Format::table || o.format == Format::markdown;
}

// A person is told all that a GPU must have; a size to fit into is compared with what is live.
bool has_allocator(const MemoryArguments& o) {
  const bool some_gpu = !o.place.on && !o.place.is_cpu();
  return options_of(o).allocator || (some_gpu && o.place.fit.empty() && for_people(o.output));
}

BuildOptions build_options(const MemoryArguments& o) {
  auto build = o.model.build_options();
  apply(o.recipe, build);
  return build;
}

// Of a model that generates: the tokens of prompt and answer. Weights as they are stored.
void add_inference(const Model& model, const Graph& graph, const MemoryArguments& o,
                   MemoryOptions& m) {
  if (const auto& tokens = o.recipe.new_tokens) {
    if (graph.kv_caches.empty())
      fail("--new-tokens: {} generates no text, it keeps no keys and values", graph.model);
    check_positions([&](const BuildOptions& b) { return model.build(b); }, build_options(o),
                    *tokens);
    m.cached_tokens = (Count(graph.num_tokens) + *tokens).value();
  }
  add_stored_weights(o.recipe, graph, m);
}

Graph build(const Model& model, const MemoryArguments& o, BuildOptions options) {
  const auto trace = [&](const BuildOptions& b) { return model.build(b); };
  if (o.recipe.new_tokens) options = prompt_options(trace, options);
  return prepared(model.build(options), o.recipe);
}

MemoryAnswer::Budget budget(MemoryBudget b) { return {b.bytes, std::move(b.text)}; }

// As a shell reads it.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@+%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// The same question about the batch that was found. Options that only say how the answer looks are
// left out.
std::string command_of(const MemoryArguments& o, const std::string& change, std::uint64_t batch) {
  const std::vector<std::string> other = {"--fit",     "--batch",  "--format", "--output",
                                          "--color",   "--width",  "--depth",  "--device",
                                          "--fail-if", "--details"};
  auto text = "vitals memory " + shell_word(o.model.model);
  for (const auto& [name, values] : o.given.values) {
    const bool positional = !name.starts_with("--");
    const bool changed = (" " + change + " ").find(" " + name + " ") != std::string::npos;
    if (positional || changed || std::find(other.begin(), other.end(), name) != other.end())
      continue;
    for (const auto& value : values)
      text += " " + name + (value == "true" ? "" : " " + shell_word(value));
  }
  if (!change.empty()) text += " " + change;
  text += fmt::format(" --batch {}", batch);
  if (o.place.fit_on || o.given.has("--device"))
    text += " --device " + shell_word(o.place.fit_on ? o.place.fit : o.place.device.name);
  return text;
}

// Fewer bits for what inference of a language model holds.
std::vector<Change> inference_changes(const Model& model, const MemoryArguments& o,
                                      const Graph& graph) {
  std::vector<Change> changes;
  const auto& r = o.recipe;
  if (r.training() || !model.reads_text()) return changes;
  const bool generates = !graph.kv_caches.empty();
  if (r.logits == "all" && generates)
    changes.push_back({"--logits last", "the head runs on the last token alone",
                       "none for generation", [](FitQuestion& c) { c.build.last_logits = true; }});
  const auto few_bits = [&](const char* scheme, const char* cost) {
    auto changed = o;
    changed.recipe.quantize = scheme;
    changes.push_back({fmt::format("--quantize {}", scheme), "weights of fewer bits", cost,
                       [changed](FitQuestion& c) {
                         c.memory.packed = {};
                         add_stored_weights(changed.recipe, c.model(c.build), c.memory);
                       },
                       false, true});
  };
  if (r.quantize.empty()) {
    few_bits("int8", "some digits of the result");
    few_bits("nf4", "accuracy");
  }
  if (r.kv_dtype.empty() && generates) {
    auto changed = r;
    changed.kv_dtype = "fp8";
    const auto* format = memory_options(changed, eager::Device::cuda).cache_format;
    changes.push_back({"--kv-dtype fp8", "keys and values of 8 bits", "some digits of the result",
                       [format](FitQuestion& c) { c.memory.cache_format = format; }});
  }
  return changes;
}

constexpr std::uint64_t kAdvisedRank = 16;

// Adapters instead of all weights, then the same beside weights of four bits.
std::vector<Change> adapter_changes(const Model& model, const MemoryArguments& o,
                                    const Graph& graph) {
  const auto& r = o.recipe;
  const bool all_trained = r.freeze.empty() && r.train.empty();
  if (!r.training() || !all_trained || !r.quantize.empty()) return {};
  if (!r.lora_rank && default_lora_names(graph).empty()) return {};
  std::vector<Change> changes;
  const auto add = [&](std::string change, const char* meaning, const char* cost,
                       const MemoryArguments& changed) {
    const auto apply = [&model, changed](FitQuestion& c) {
      c.model = [&model, changed](const BuildOptions& b) { return build(model, changed, b); };
      add_stored_weights(changed.recipe, c.model(build_options(changed)), c.memory);
    };
    changes.push_back({std::move(change), meaning, cost, apply, false, true});
  };
  auto changed = o;
  if (!r.lora_rank) {
    changed.recipe.lora_rank = kAdvisedRank;
    add("--lora-rank 16", "train low-rank adapters of queries and values alone",
        "what adapters cannot learn", changed);
  }
  changed.recipe.quantize = "nf4";
  add(r.lora_rank ? "--quantize nf4" : "--lora-rank 16 --quantize nf4",
      "adapters beside weights of four bits (QLoRA)", "rounded weights", changed);
  return changes;
}

FitQuestion question_of(const Model& model, const MemoryArguments& o, const Graph& graph) {
  FitQuestion question{[&](const BuildOptions& b) { return build(model, o, b); }, build_options(o),
                       options_of(o), Count(0), adapter_changes(model, o, graph)};
  for (auto& change : inference_changes(model, o, graph))
    question.adapters.push_back(std::move(change));
  add_inference(model, graph, o, question.memory);
  return question;
}

MemoryAnswer::FitResult fit(const Model& model, const MemoryArguments& o) {
  MemoryAnswer::FitResult result;
  result.budget = budget(o.place.budget());
  auto question = question_of(model, o, build(model, o, build_options(o)));
  question.budget = result.budget.bytes;
  Progress progress(2);
  progress.begin("searching the largest batch");
  progress.show(0);
  try {
    result.fit = largest_batch(question);
  } catch (const Error& error) {
    throw error.within("--fit " + o.place.fit);
  }
  progress.begin("trying what saves memory");
  result.advice = advise(question, result.fit, [&](double part) { progress.show(part); });
  if (result.fit.batch > 0) {
    result.command = command_of(o, "", result.fit.batch);
    return result;
  }
  for (const auto& advice : result.advice)
    if (advice.largest > 0) {
      result.command = command_of(o, advice.change, advice.largest);
      break;
    }
  return result;
}

std::string text_of(const MemoryAnswer& answer, const MemoryArguments& o) {
  if (o.explain)
    return explained(explain_memory(answer.graph, answer.options, answer.whole, *o.explain),
                     answer.graph, o.output);
  const MemoryTextOptions form{
      {o.depth, !o.no_fold}, o.timeline,       o.output.format == Format::markdown,
      text_layout(o.output), o.output.details, o.given.has("--depth") || o.no_fold};
  std::string closing;
  if (!o.output.details)
    closing =
        more(o.output, answer.options.training ? "modules, assumptions and sources, rules of thumb"
                                               : "assumptions and sources, rules of thumb");
  return written({.json = [&] { return memory_json(answer); },
                  .numbers = [&] { return memory_numbers(memory_json(answer)); },
                  .page = [&] { return memory_text(answer, form) + closing; }},
                 o.output);
}

// What can be said where no batch fits. People find it in the message, since nothing was answered.
[[noreturn]] void end_unfit(const MemoryArguments& o, const std::string& model,
                            const MemoryAnswer::FitResult& f) {
  const auto sentence = model + ": " + nothing_fits(f);
  const auto json = [&] { return unfit_json(model, options_of(o), f); };
  const auto advice = f.advice.empty() ? "" : "\n\n" + render(advice_table(f), o.output);
  if (o.output.format == Format::table) throw ConditionFailed(sentence + advice);
  deliver(written({.json = json,
                   .numbers = [&] { return memory_numbers(json()); },
                   .page = [&] { return sentence + (advice.empty() ? "\n" : advice); }},
                  o.output),
          o.output);
  throw ConditionFailed(sentence);
}

// What products run in must be a type of the GPU, as for `predict`.
void check_types(const MemoryArguments& o) {
  const auto& on = o.place.on ? o.place.on : o.place.fit_on;
  const auto type = product_type(options_of(o));
  if (!on || on->machine.kind == MachineKind::cpu || type == DType::f32) return;
  latency::Execution execution;
  execution.low = type;
  (void)latency::peak(on->machine, execution, on->title);
}

// Fills in what the command line leaves to the model: its answer names it.
void settle(const Model& model, MemoryArguments& o) {
  auto& r = o.recipe;
  if (r.lora_rank && r.lora_targets.empty())
    r.lora_targets = default_lora_names(model.build(build_options(o)));
  const auto& on = o.place.on ? o.place.on : o.place.fit_on;
  DeviceSpec some_cpu;  // --device cpu names no machine
  some_cpu.machine.kind = MachineKind::cpu;
  r.precision = precision_of(r, model, on ? &*on : o.place.is_cpu() ? &some_cpu : nullptr);
}

// A model's weights may be loaded in any type: what each takes.
bool leaves_type_open(const Model& model, const MemoryArguments& o) {
  const auto& r = o.recipe;
  const bool named = o.given.has("--device") || !o.place.fit.empty();
  return !named && !r.training() && model.reads_text() && r.precision.empty() &&
         r.weights.empty() && r.quantize.empty();
}

std::vector<MemoryAnswer::OfType> by_type(const Model& model, const MemoryArguments& o,
                                          const Graph& graph) {
  std::vector<MemoryAnswer::OfType> types;
  for (const char* name : {"fp32", "bf16", "int8", "nf4"}) {
    auto changed = o;
    const bool stored = find_quant_scheme(name) != nullptr;
    (stored ? changed.recipe.quantize : changed.recipe.precision) = name;
    if (stored && changed.recipe.precision == "fp32") changed.recipe.precision = "bf16";
    auto options = options_of(changed);
    options.allocator = has_allocator(o);
    add_inference(model, graph, changed, options);
    const auto e = estimate_memory(graph, options);
    types.push_back({name, e.bytes.weights, e.allocator.value_or(e.peak.bytes)});
  }
  return types;
}

// What only a page for people tells.
void add_page(const Model& model, const MemoryArguments& o, bool type_open, MemoryAnswer& a) {
  if (type_open) {
    a.types = by_type(model, o, a.graph);
    return;
  }
  if (a.fit) return;
  auto question = question_of(model, o, a.graph);
  if (a.capacity) question.budget = a.capacity->bytes;
  a.changes = savings(question, a.on_device().peak.bytes);
}

void memory(MemoryArguments o) {
  resolve(o.place);
  if (runs_llama_cpp(o.recipe))
    return llama_memory({o.model, o.output, o.recipe, o.place, o.no_fold || o.output.details},
                        o.fail_if);
  if (o.allocator && (o.place.is_cpu() || (o.place.on && !has_caching_allocator(*o.place.on))))
    fail("{}", kNoAllocator);
  const auto model = o.model.load();
  const bool type_open = leaves_type_open(model, o);
  settle(model, o);
  check_types(o);
  std::optional<MemoryAnswer::FitResult> fitted;
  if (!o.place.fit.empty()) {
    o.model.batch = o.recipe.parallel.micro_batches;
    fitted = fit(model, o);
    if (fitted->fit.batch == 0) end_unfit(o, model.name, *fitted);
    o.model.batch = fitted->fit.batch;
  }
  auto options = options_of(o);
  options.allocator = has_allocator(o);
  options.record = !o.snapshot.empty() || !o.measured.empty();
  const auto graph = build(model, o, build_options(o));
  add_inference(model, graph, o, options);
  auto alone = options;
  alone.parallel = {};
  alone.parallel.micro_batches = o.recipe.parallel.micro_batches;
  MemoryAnswer answer{graph,
                      options,
                      build_options(o).attention,
                      (Count(graph.batch) * o.recipe.parallel.micro_batches).value(),
                      o.place.device.name,
                      estimate_memory(graph, alone),
                      std::nullopt,
                      std::move(fitted),
                      std::nullopt,
                      o.recipe.quantize,
                      o.place.on && o.place.on->memory ? reserve_of(*o.place.on) : kGpuReserve,
                      {o.recipe.freeze, o.recipe.lora_rank, o.recipe.lora_targets}};
  if (const auto& on = o.place.on; on && on->memory) answer.capacity = budget(memory_budget(*on));
  if (const auto& on = o.place.on; on && on->machine.kind == MachineKind::gpu) {
    answer.runtime.name = name_of(on->runtime);
    answer.runtime.reserved_for = reserved_for(*on);
  }
  answer.accumulate = o.recipe.accumulate;
  if (options.parallel.devices() > Count(1)) answer.share = estimate_memory(graph, options);
  if (!o.measured.empty())
    answer.measured = beside(graph, answer.on_device(), read_measured_memory(o.measured));
  if (!o.snapshot.empty()) write_file(o.snapshot, memory_snapshot(graph, answer.on_device()));
  if (for_people(o.output) && !o.explain) add_page(model, o, type_open, answer);
  deliver(text_of(answer, o), o.output);
  check_conditions(o.fail_if,
                   [&] { return memory_figures(answer.on_device(), on_device(answer)); });
}

void add_place(Command& c, MemoryArguments& o) {
  c.group = "Recipe";
  add_device_options(c, o.place.device,
                     "cuda, cpu, a name that `vitals devices` shows, or a file that `vitals bench "
                     "--save-device` wrote")
      .initial = "cuda";
  c.flag("--allocator", o.allocator,
         "Replay PyTorch's CUDA allocator, too (implied by a GPU's name)");
  c.group = "Options";
}

// llama.cpp runs GGUF files, unless something else is asked for; it knows inference alone.
void choose_stack(MemoryArguments& o, const Given& given) {
  const bool training = given.has("--mode") && o.recipe.training();
  if (!given.has("--stack") && !training && is_gguf(o.model.model)) o.recipe.stack = "llama.cpp";
  if (runs_llama_cpp(o.recipe) && !given.has("--mode")) o.recipe.mode = "inference";
}

// Options that were given and change nothing, because nothing is trained.
void tell_unused(const MemoryArguments& o, const Given& given) {
  if (runs_llama_cpp(o.recipe)) {
    if (const auto unused = unused_by_llama_cpp(given); !unused.empty())
      tell(fmt::format("llama.cpp runs the model: {} changes nothing", fmt::join(unused, ", ")));
    return;
  }
  if (o.recipe.training()) return;
  auto unused = unused_in_inference(given);
  for (const char* name : {"--depth", "--no-fold"})
    if (given.has(name)) unused.emplace_back(name);
  if (given.has("--zero") && o.recipe.parallel.zero < 3) unused.emplace_back("--zero below 3");
  if (!unused.empty())
    tell(fmt::format("inference trains nothing: {} changes nothing", fmt::join(unused, ", ")));
}

std::string check_usage(const MemoryArguments& o) {
  if (auto fault = recipe_fault(o.recipe); !fault.empty()) return fault;
  if (o.allocator && o.place.is_cpu()) return kNoAllocator;
  if ((!o.snapshot.empty() || !o.measured.empty()) && runs_llama_cpp(o.recipe))
    return "--export-snapshot and --measured are of PyTorch's steps; llama.cpp runs this model";
  if (!o.place.fit.empty() && o.model.batch && !runs_llama_cpp(o.recipe))
    return "--fit finds the batch itself: leave out --batch";
  return usage_fault(o.place);
}

}  // namespace

Command memory_command() {
  auto o = std::make_shared<MemoryArguments>();
  Command c{"memory", "The memory that training and inference take"};
  add_model_options(c, o->model);
  add_recipe_options(c, o->recipe);
  add_place(c, *o);
  c.text("--fit", o->place.fit, "SIZE|DEVICE",
         "Find the largest batch that fits (of llama.cpp: context): 24GB, 24GiB, a100-80gb");
  c.text("--explain", o->explain, "PATH",
         "Every byte of the module or parameter PATH (.: the model), on one device");
  c.text("--measured", o->measured, "FILE",
         "Compare with a step that ran: JSON of torch.cuda.memory_stats() and memory._snapshot()")
      .reads = itself;
  c.text("--export-snapshot", o->snapshot, "FILE",
         "Write the step as torch.cuda.memory._dump_snapshot does, for PyTorch's memory viewer")
      .writes = true;
  c.flag("--timeline", o->timeline, "Draw what is live over the step");
  c.count("--depth", o->depth, "Levels of the module table to show", {0}).initial = "3";
  c.flag("--no-fold", o->no_fold, "Show every block, not `0-11 (12x)`");
  add_fail_if(c, o->fail_if, memory_figures({}, {}));
  add_output_options(c, o->output);
  add_details(c, o->output);
  c.examples = {
      "vitals memory vit_base_patch16_224 --batch 64",
      "vitals memory vit_base_patch16_224 --fit rtx3090 --attention eager --optimizer momentum",
      "vitals memory vit_large_patch16_224 --batch 32 --checkpoint block --timeline",
      "vitals memory vit_base_patch16_224 --mode inference --precision fp16",
      "vitals memory vit_base_patch16_224 --explain blocks.0.attn",
      "vitals memory vit_base_patch16_224 --lora-rank 8 --lora-targets qkv,proj",
      "vitals memory vit_large_patch16_224 --batch 64 --dp 8 --zero 2",
      "vitals memory mistral-7b-v0.1 --stack transformers --quantize nf4 --lora-rank 16 "
      "--lora-targets q_proj,v_proj --checkpoint block --seq-len 4096",
      "vitals memory my_vit.json --batch 32 --fail-if 'memory > 16GiB'",
      "vitals memory llama-3-8b --mode inference --precision bf16 --seq-len 4096 --new-tokens 512",
      "vitals memory ./my-model --mode inference --quantize Q4_K_M --seq-len 2048",
      "vitals memory model-Q4_K_M.gguf --seq-len 32768 --kv-dtype q8_0 --device rtx4090",
      "vitals memory llama-3-70b --stack llama.cpp --quantize Q4_K_M --gpu-layers 40"};
  c.only("--explain",
         {"--dp", "--zero", "--fsdp", "--tp", "--sequence-parallel", "--pp", "--interleave",
          "--timeline", "--export-snapshot", "--measured", "--allocator", "--depth", "--no-fold"});
  c.check = [o](const Given& given) {
    choose_stack(*o, given);
    o->given = given;
    tell_unused(*o, given);
    return check_usage(*o);
  };
  c.run = [o] { memory(*o); };
  return c;
}

}  // namespace vitals::cli
