#include "report/memory.h"

#include "command.h"
#include "core/error.h"
#include "core/suggest.h"
#include "cost/generation.h"
#include "memory/adapters.h"
#include "memory/explain_memory.h"
#include "memory/quantized/quantization.h"
#include "memory_device.h"
#include "progress.h"
#include "terminal.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct MemoryArguments {
  ModelOptions model;
  OutputOptions output;
  std::string mode = "training";
  std::string precision = "amp";
  std::string optimizer = "adamw";
  std::string attention = "fused";
  MemoryDevice place;
  std::string loss = "cross-entropy";
  std::string checkpoint = "none";
  bool keep_gradients = false;
  std::optional<std::uint64_t> new_tokens;
  std::string quantize;
  std::string latent_cache = "expanded";
  bool allocator = false;
  std::vector<std::string> freeze;
  std::optional<std::uint64_t> lora_rank;
  std::vector<std::string> lora_targets;
  Parallelism parallel;
  std::optional<std::size_t> depth = 3;
  bool no_fold = false;
  bool timeline = false;
  std::optional<std::string> explain;
  std::vector<FailCondition> fail_if;
};

constexpr const char* kNoAllocator = "--allocator replays CUDA's: it says nothing of a CPU";

// What --fail-if may ask, of the most loaded device.
std::vector<Quantity> memory_figures(const MemoryEstimate& e) {
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
          bytes("kv_cache", e.bytes.kv_cache)};
}

MemoryOptions memory_options(const MemoryArguments& o) {
  MemoryOptions m;
  m.training = o.mode == "training";
  m.precision = precision(o.precision);
  m.optimizer = optimizer(m.training ? o.optimizer : "none");
  m.device = o.place.is_cpu() ? eager::Device::cpu : eager::Device::cuda;
  m.cross_entropy = o.loss == "cross-entropy";
  m.keep_gradients = o.keep_gradients;
  m.allocator = !o.place.is_cpu() && (o.allocator || o.place.is_named());
  m.checkpoint = checkpoint_named(o.checkpoint).value_or(ActivationCheckpointing::none);
  m.parallel = o.parallel;
  return m;
}

BuildOptions build_options(const MemoryArguments& o) {
  auto build = o.model.build_options();
  build.training = o.mode == "training";
  build.attention = o.attention == "eager" ? AttentionKernel::eager : AttentionKernel::fused;
  const auto micro = o.parallel.micro_batches;
  if (build.batch % micro != 0)
    fail("--micro-batches {} does not divide the batch of {}", micro, build.batch);
  build.batch /= micro;
  return build;
}

// Of a model that generates: the tokens of prompt and answer. Weights as they are stored.
void add_inference(const Model& model, const Graph& graph, const MemoryArguments& o,
                   MemoryOptions& m) {
  if (o.new_tokens) {
    if (graph.kv_caches.empty())
      fail("--new-tokens: {} generates no text, it keeps no keys and values", graph.model);
    check_positions([&](const BuildOptions& b) { return model.build(b); }, build_options(o),
                    *o.new_tokens);
    m.cached_tokens = (Count(graph.num_tokens) + *o.new_tokens).value();
  }
  if (o.latent_cache == "compressed") m.latent = LatentCache::compressed;
  if (o.quantize.empty()) return;
  for (const auto& weight : quantized_weights(graph, o.quantize))
    m.stored_weights.push_back(weight.bytes);
}

Graph build(const Model& model, const MemoryArguments& o, BuildOptions options) {
  const auto trace = [&](const BuildOptions& b) { return model.build(b); };
  if (o.new_tokens) options = prompt_options(trace, options);
  auto graph = model.build(options);
  if (o.lora_rank) graph = with_lora(graph, *o.lora_rank, o.lora_targets);
  freeze(graph, o.freeze);
  return graph;
}

MemoryAnswer::Budget budget(MemoryBudget b) { return {b.bytes, std::move(b.text)}; }

MemoryAnswer::FitResult fit(const Model& model, const MemoryArguments& o) {
  MemoryAnswer::FitResult result;
  result.budget = budget(o.place.budget());
  FitQuestion question{[&](const BuildOptions& b) { return build(model, o, b); }, build_options(o),
                       memory_options(o), result.budget.bytes};
  add_inference(model, build(model, o, build_options(o)), o, question.memory);
  Progress progress(2);
  progress.begin("searching the largest batch");
  progress.show(0);
  result.fit = largest_batch(question);
  progress.begin("trying what saves memory");
  result.advice = advise(question, result.fit, [&](double part) { progress.show(part); });
  return result;
}

std::string text_of(const MemoryAnswer& answer, const MemoryArguments& o) {
  if (o.explain)
    return explained(explain_memory(answer.graph, answer.options, answer.whole, *o.explain),
                     answer.graph, o.output);
  const MemoryTextOptions form{{o.depth, !o.no_fold},
                               o.timeline,
                               o.output.format == Format::markdown,
                               text_layout(o.output)};
  return written({.json = [&] { return memory_json(answer); },
                  .numbers = [&] { return memory_numbers(memory_json(answer)); },
                  .page = [&] { return memory_text(answer, form); }},
                 o.output);
}

// What can be said where no batch fits. People find it in the message, since nothing was answered.
[[noreturn]] void end_unfit(const MemoryArguments& o, const std::string& model,
                            const MemoryAnswer::FitResult& f) {
  const auto sentence = model + ": " + nothing_fits(f);
  const auto json = [&] { return unfit_json(model, memory_options(o), f); };
  const auto advice = f.advice.empty() ? "" : "\n\n" + render(advice_table(f), o.output);
  if (o.output.format == Format::table) throw ConditionFailed(sentence + advice);
  deliver(written({.json = json,
                   .numbers = [&] { return memory_numbers(json()); },
                   .page = [&] { return sentence + (advice.empty() ? "\n" : advice); }},
                  o.output),
          o.output);
  throw ConditionFailed(sentence);
}

void memory(MemoryArguments o) {
  resolve(o.place);
  if (o.allocator && o.place.is_cpu()) fail("{}", kNoAllocator);
  const auto model = o.model.load();
  std::optional<MemoryAnswer::FitResult> fitted;
  if (!o.place.fit.empty()) {
    o.model.batch = o.parallel.micro_batches;
    fitted = fit(model, o);
    if (fitted->fit.batch == 0) end_unfit(o, model.name, *fitted);
    o.model.batch = fitted->fit.batch;
  }
  auto options = memory_options(o);
  const auto graph = build(model, o, build_options(o));
  add_inference(model, graph, o, options);
  auto alone = options;
  alone.parallel = {};
  alone.parallel.micro_batches = o.parallel.micro_batches;
  MemoryAnswer answer{graph,
                      options,
                      build_options(o).attention,
                      o.model.batch.value_or(1),
                      o.place.device.name,
                      estimate_memory(graph, alone),
                      std::nullopt,
                      std::move(fitted),
                      std::nullopt,
                      o.quantize,
                      kGpuReserve,
                      {o.freeze, o.lora_rank, o.lora_targets}};
  if (const auto& on = o.place.on; on && on->memory) answer.capacity = budget(memory_budget(*on));
  if (options.parallel.devices() > Count(1)) answer.share = estimate_memory(graph, options);
  deliver(text_of(answer, o), o.output);
  check_conditions(o.fail_if, [&] { return memory_figures(answer.on_device()); });
}

std::string check_scheme(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& scheme : quant_schemes()) known.emplace_back(scheme.name);
  if (find_quant_scheme(name) != nullptr) return "";
  return fmt::format("unknown scheme '{}'{} (known: {})", name, did_you_mean(name, known),
                     fmt::join(known, ", "));
}

void add_recipe(Command& c, MemoryArguments& o) {
  c.group = "Recipe";
  c.choice("--mode", o.mode, {"training", "inference"}, "training or inference");
  c.choice("--precision", o.precision, precision_names(),
           "fp32, bf16, fp16, amp, mixed16, mixed18 or mixed20");
  c.choice("--optimizer", o.optimizer, optimizer_names(),
           "adamw, adam, sgd, momentum, adafactor, lion, adamw8bit or none");
  c.choice("--attention", o.attention, {"eager", "fused"},
           "fused (scaled_dot_product_attention) or eager (written out)");
  c.choice("--loss", o.loss, {"cross-entropy", "none"}, "cross-entropy or none");
  c.choice("--checkpoint", o.checkpoint, {"none", "selective", "block"},
           "none, selective (attention's core runs twice) or block (every block runs twice)");
  add_device_options(c, o.place.device,
                     "cuda, cpu, a name that `vitals devices` shows, or a file that `vitals bench "
                     "--save-device` wrote")
      .initial = "cuda";
  c.flag("--keep-gradients", o.keep_gradients,
         "Gradients live through the next forward pass (zero_grad(set_to_none=False))");
  c.flag("--allocator", o.allocator,
         "Replay PyTorch's CUDA allocator, too (implied by a GPU's name)");
  c.texts("--freeze", o.freeze, "PATH",
          "Do not train this module or parameter (.: the model; repeatable)",
          [](const std::string& path) { return path.empty() ? "the path is empty" : ""; });
  c.count("--lora-rank", o.lora_rank, "Train low-rank adapters alone", {1, std::uint64_t{1} << 20});
  c.texts("--lora-targets", o.lora_targets, "NAMES",
          "Linear layers that get one, by name: qkv,proj", {}, true);
  c.group = "Options";
}

void add_generation(Command& c, MemoryArguments& o) {
  c.group = "Inference of language models";
  c.count("--new-tokens", o.new_tokens,
          "Tokens written after the input: the cache of keys and values holds both");
  c.text("--quantize", o.quantize, "SCHEME", "How weights are stored: int8, nf4, Q4_K_M, ...",
         check_scheme);
  c.choice("--latent-cache", o.latent_cache, {"expanded", "compressed"},
           "Keys and values of latent attention: expanded, as eager keeps them, or compressed");
  c.group = "Options";
}

void add_parallel(Command& c, Parallelism& p) {
  const Bounds ranks{1, std::uint64_t{1} << 20};
  c.group = "Devices";
  c.count("--dp", p.data, "Data-parallel ranks", ranks);
  c.count("--zero", p.zero, "ZeRO's stage over them: 0 to 3", {0, 3}).needs = "--dp";
  c.count("--tp", p.tensor, "Tensor-parallel ranks", ranks);
  c.flag("--sequence-parallel", p.sequence, "Cut the residual stream over them, too").needs =
      "--tp";
  c.count("--pp", p.pipeline, "Pipeline stages", ranks);
  c.count("--interleave", p.interleave, "Chunks of the model a stage", ranks).needs = "--pp";
  c.count("--micro-batches", p.micro_batches, "Parts that the batch is run in", ranks);
  c.group = "Options";
}

// Options that were given and change nothing, because nothing is trained.
void tell_unused(const MemoryArguments& o, const Given& given) {
  if (o.mode == "training") return;
  std::vector<std::string> unused;
  for (const char* name : {"--optimizer", "--loss", "--checkpoint", "--keep-gradients", "--freeze",
                           "--depth", "--no-fold"})
    if (given.has(name)) unused.emplace_back(name);
  if (given.has("--zero") && o.parallel.zero < 3) unused.emplace_back("--zero below 3");
  if (!unused.empty())
    tell(fmt::format("inference trains nothing: {} changes nothing", fmt::join(unused, ", ")));
}

std::string check_usage(const MemoryArguments& o) {
  if (o.lora_rank.has_value() != !o.lora_targets.empty())
    return "--lora-rank and --lora-targets belong together";
  const bool inference = o.mode == "inference";
  if (!inference && (o.new_tokens || !o.quantize.empty() || o.latent_cache != "expanded"))
    return "--new-tokens, --quantize and --latent-cache are for --mode inference";
  if (o.allocator && o.place.is_cpu()) return kNoAllocator;
  if (!o.place.fit.empty() && o.model.batch)
    return "--fit finds the batch itself: leave out --batch";
  return usage_fault(o.place);
}

}  // namespace

Command memory_command() {
  auto o = std::make_shared<MemoryArguments>();
  Command c{"memory", "The memory that training and inference take"};
  add_model_options(c, o->model);
  add_recipe(c, *o);
  add_generation(c, *o);
  add_parallel(c, o->parallel);
  c.text("--fit", o->place.fit, "SIZE|DEVICE",
         "Find the largest batch that fits: 24GB, 24GiB, a100-80gb");
  c.text("--explain", o->explain, "PATH",
         "Every byte of the module or parameter PATH (.: the model), on one device");
  c.flag("--timeline", o->timeline, "Draw what is live over the step");
  c.count("--depth", o->depth, "Levels of the module table to show", {0}).initial = "3";
  c.flag("--no-fold", o->no_fold, "Show every block, not `0-11 (12x)`");
  add_fail_if(c, o->fail_if, memory_figures({}));
  add_output_options(c, o->output);
  c.examples = {
      "vitals memory vit_base_patch16_224 --batch 64",
      "vitals memory vit_base_patch16_224 --fit rtx3090 --attention eager --optimizer momentum",
      "vitals memory vit_large_patch16_224 --batch 32 --checkpoint block --timeline",
      "vitals memory vit_base_patch16_224 --mode inference --precision fp16",
      "vitals memory vit_base_patch16_224 --explain blocks.0.attn",
      "vitals memory vit_base_patch16_224 --lora-rank 8 --lora-targets qkv,proj",
      "vitals memory vit_large_patch16_224 --batch 64 --dp 8 --zero 2",
      "vitals memory my_vit.json --batch 32 --fail-if 'memory > 16GiB'",
      "vitals memory llama-3-8b --mode inference --precision bf16 --seq-len 4096 --new-tokens 512",
      "vitals memory ./my-model --mode inference --quantize Q4_K_M --seq-len 2048"};
  c.only("--explain", {"--dp", "--zero", "--tp", "--sequence-parallel", "--pp", "--interleave",
                       "--timeline", "--allocator", "--depth", "--no-fold"});
  c.check = [o](const Given& given) {
    tell_unused(*o, given);
    return check_usage(*o);
  };
  c.run = [o] { memory(*o); };
  return c;
}

}  // namespace vitals::cli
