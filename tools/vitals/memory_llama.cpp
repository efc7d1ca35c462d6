#include "memory_llama.h"

#include "core/error.h"
#include "memory/quantized/quantization.h"
#include "report/llama_memory.h"
#include "report/memory.h"
#include "report/stored_weights.h"
#include "report/text/units.h"
#include "terminal.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace vitals::cli {
namespace {

constexpr std::uint64_t kContext = 4096;  // where nothing is asked for

// max_position_embeddings; 0 where the model has no such field.
std::uint64_t trained_context(const Model& model) {
  const auto config = model.architecture->clone(model.config.get());
  for (const auto& field : model.architecture->fields) {
    if (field.name != "max_position_embeddings") continue;
    const auto at = field.access(config.get());
    if (auto* const* value = std::get_if<std::uint64_t*>(&at)) return **value;
  }
  return 0;
}

Graph traced(const Model& model, const BuildOptions& given, std::uint64_t tokens) {
  auto options = given;
  options.batch = 1;
  options.seq_len = tokens;
  options.attention = AttentionKernel::fused;
  return model.build(options);
}

// What a file stores, or would store under --quantize.
StoredWeights stored_weights(const LlamaQuestion& q, const Model& model) {
  if (model.stored != nullptr) {
    if (!q.recipe.quantize.empty())
      fail("--quantize: {} states how its weights are stored; leave the option out", model.name);
    return *model.stored;
  }
  const auto graph = traced(model, q.model.build_options(), 1);
  const auto weights =
      quantized_weights(graph, q.recipe.quantize.empty() ? "F16" : q.recipe.quantize);
  StoredWeights stored;
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    if (graph.params[id].buffer) continue;
    const auto path = path_of(graph, graph.params[id]);
    stored.by_path[path].parts.push_back(
        {path, std::string(weights[id].format), numel(graph.params[id]), weights[id].bytes});
  }
  return stored;
}

llama::TensorOverride override_of(const std::string& text) {
  const auto equals = text.rfind('=');
  const auto where = equals == std::string::npos ? "" : lower_case(text.substr(equals + 1));
  if (where != "cpu" && where != "gpu" && !where.starts_with("cuda"))
    fail("--override-tensor: expected PATTERN=CPU or PATTERN=GPU, got '{}'", text);
  return {text.substr(0, equals), where != "cpu"};
}

llama::Options options_of(const LlamaQuestion& q, const Model& model) {
  llama::Options o;
  const auto trained = trained_context(model);
  o.context = q.model.seq_len.value_or(trained == 0 ? kContext : std::min(kContext, trained));
  if (q.recipe.new_tokens) o.context = (Count(o.context) + *q.recipe.new_tokens).value();
  o.sequences = q.model.batch.value_or(1);
  o.ubatch = q.recipe.ubatch;
  o.kv_dtype = q.recipe.kv_dtype.empty() ? "f16" : q.recipe.kv_dtype;
  o.flash_attention = q.recipe.attention != "eager";
  o.gpu = !q.place.is_cpu();
  o.gpu_layers = q.recipe.gpu_layers;
  for (const auto& text : q.recipe.override_tensors) o.overrides.push_back(override_of(text));
  return o;
}

std::vector<Quantity> llama_figures(const LlamaMemory& a) {
  const auto& e = a.estimate;
  const auto bytes = [](const char* name, Count value) {
    return Quantity{name, Unit::bytes, value.as_double()};
  };
  const auto fits = a.fits();
  return {bytes("memory", a.loaded().total()),
          bytes("peak", a.loaded().total()),
          bytes("total", e.gpu.total() + e.cpu.total()),
          bytes("weights", e.gpu.weights + e.cpu.weights),
          bytes("gradients", 0),
          bytes("optimizer", 0),
          bytes("activations", 0),
          bytes("workspace", e.gpu.compute + e.cpu.compute + e.gpu.output + e.cpu.output),
          bytes("kv_cache", e.gpu.kv_cache + e.cpu.kv_cache),
          {"device_total", Unit::bytes,
           fits ? (a.loaded().total() + a.reserve).as_double() : std::nan("")},
          {"fits", Unit::count, fits ? (*fits ? 1.0 : 0.0) : std::nan(""), true}};
}

std::optional<MemoryBudget> budget_of(const MemoryDevice& place) {
  if (!place.fit.empty()) return place.budget();
  if (place.on && place.on->memory) return memory_budget(*place.on);
  return std::nullopt;
}

}  // namespace

bool runs_llama_cpp(const Recipe& recipe) { return recipe.stack == "llama.cpp"; }

std::vector<std::string> unused_by_llama_cpp(const Given& given) {
  const std::vector<std::string> used = {"mode",     "stack",      "attention",       "new-tokens",
                                         "kv-dtype", "gpu-layers", "override-tensor", "ubatch"};
  std::vector<std::string> unused;
  for (const auto& field : recipe_fields())
    if (given.has("--" + field.name) &&
        std::find(used.begin(), used.end(), field.name) == used.end())
      unused.push_back("--" + field.name);
  for (const char* name : {"--explain", "--timeline", "--depth", "--allocator"})
    if (given.has(name)) unused.emplace_back(name);
  return unused;
}

void llama_memory(const LlamaQuestion& q, const std::vector<FailCondition>& conditions) {
  const auto model = q.model.load();
  if (model.reads_images())
    fail("--stack llama.cpp: {} reads images; llama.cpp runs language models", model.name);
  const auto stored = stored_weights(q, model);
  std::map<std::uint64_t, Graph> traces;  // a search asks for the same ones again
  const llama::BuildTokens build = [&](std::uint64_t tokens) {
    const auto it = traces.find(tokens);
    if (it != traces.end()) return it->second;
    return traces.emplace(tokens, traced(model, q.model.build_options(), tokens)).first->second;
  };
  LlamaMemory answer;
  answer.model = model.title();
  answer.options = options_of(q, model);
  answer.estimate = llama::estimate(build, stored, answer.options);
  answer.formats = format_list(stored);
  answer.trained = trained_context(model);
  answer.device = q.place.device.name;
  answer.reserve = q.place.on && q.place.on->memory ? reserve_of(*q.place.on) : kGpuReserve;
  if (const auto budget = budget_of(q.place)) {
    answer.capacity = MemoryAnswer::Budget{budget->bytes, budget->text};
    const auto most = std::max(answer.trained > 0 ? answer.trained : std::uint64_t{1} << 20,
                               answer.options.context);
    answer.largest_context =
        llama::largest_context(build, stored, answer.options, budget->bytes, most);
    if (answer.options.gpu)
      answer.most_layers = llama::most_layers(build, stored, answer.options, budget->bytes);
  }
  const auto json = [&] { return llama_memory_json(answer); };
  deliver(written({.json = json,
                   .numbers = [&] { return memory_numbers(json()); },
                   .page =
                       [&] {
                         const auto text =
                             llama_memory_text(answer, q.all_layers, text_layout(q.output),
                                               q.output.format == Format::markdown);
                         return q.all_layers ? text
                                             : text + more(q.output,
                                                           "every layer, and what fills "
                                                           "the compute buffer");
                       }},
                  q.output),
          q.output);
  check_conditions(conditions, [&] { return llama_figures(answer); });
}

}  // namespace vitals::cli
