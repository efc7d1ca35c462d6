#include "memory/recipe.h"

#include "core/error.h"
#include "core/suggest.h"
#include "memory/llama_cpp/estimate.h"
#include "memory/quantized/quantization.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vitals {
namespace {

std::optional<DType> dtype_named(std::string_view name) {
  if (name == "fp32") return DType::f32;
  if (name == "bf16") return DType::bf16;
  if (name == "fp16") return DType::f16;
  return std::nullopt;
}

template <class T>
RecipeField::Member at(T Recipe::*member) {
  return std::function<T&(Recipe&)>([member](Recipe& r) -> T& { return r.*member; });
}

template <class T>
RecipeField::Member at(T Parallelism::*member) {
  return std::function<T&(Recipe&)>([member](Recipe& r) -> T& { return r.parallel.*member; });
}

constexpr std::uint64_t kMostRanks = std::uint64_t{1} << 20;

std::vector<RecipeField> numeric_fields() {
  return {
      {"mode", "Recipe", at(&Recipe::mode), "training or inference", {"training", "inference"}},
      {"stack", "Recipe", at(&Recipe::stack),
       "Whose loop trains: its defaults of optimizer, loss and what the device holds beside the "
       "model",
       stack_names()},
      {"precision", "Recipe", at(&Recipe::precision),
       "fp32, bf16, fp16, amp, mixed16, mixed18 or mixed20", precision_names()},
      {"amp-dtype",
       "Recipe",
       at(&Recipe::amp_dtype),
       "What autocast multiplies in (fp16 on a GPU, bf16 on a CPU)",
       {"bf16", "fp16"}},
      {"weights",
       "Recipe",
       at(&Recipe::weights),
       "The type of the stored weights, where it is not the precision's: autocast over 16-bit "
       "weights",
       {"fp32", "bf16", "fp16"}},
      {"optimizer", "Recipe", at(&Recipe::optimizer),
       fmt::format("{}", fmt::join(optimizer_names(), ", ")), optimizer_names(), 0, 0, "", false,
       "", true},
      {"optimizer-impl",
       "Recipe",
       at(&Recipe::optimizer_impl),
       "Parameters one by one, all at once, or in one kernel (the stack's)",
       {"loop", "foreach", "fused"},
       0,
       0,
       "",
       false,
       "",
       true},
      {"attention",
       "Recipe",
       at(&Recipe::attention),
       "fused (scaled_dot_product_attention) or eager (written out)",
       {"eager", "fused"}},
  };
}

std::vector<RecipeField> step_fields() {
  return {
      {"loss",
       "Recipe",
       at(&Recipe::loss),
       "How the loss is computed (the stack's): plainly, or as a library does",
       {"cross-entropy", "hf", "hf-4.45", "fused-linear", "fast", "chunked", "vocab-parallel",
        "none"},
       0,
       0,
       "",
       false,
       "",
       true},
      {"transformers",
       "Recipe",
       at(&Recipe::transformers),
       "Version of transformers whose model code runs (4.48; with --loss hf-4.45, fast and "
       "fused-linear 4.45, where these were measured)",
       {"4.45", "4.48"},
       0,
       0,
       "",
       false,
       "",
       true},
      {"checkpoint",
       "Recipe",
       at(&Recipe::checkpoint),
       "none, selective (attention's core runs twice) or block (every block runs twice)",
       {"none", "selective", "block"},
       0,
       0,
       "",
       false,
       "",
       true},
      {"offload",
       "Recipe",
       at(&Recipe::offload),
       "What lies on the host: optimizer (states, and the step), weights, activations (what "
       "autograd keeps); several with commas",
       {},
       0,
       0,
       "PARTS",
       true},
      {"fused-norm", "Recipe", at(&Recipe::fused_norm),
       "RMSNorm as one kernel that keeps its input as it is (Liger, unsloth)"},
      {"keep-gradients",
       "Recipe",
       at(&Recipe::keep_gradients),
       "Gradients live through the next forward pass (zero_grad(set_to_none=False))",
       {},
       0,
       0,
       "",
       false,
       "",
       true},
      {"accumulate",
       "Recipe",
       at(&Recipe::accumulate),
       "Batches whose gradients are summed before a step",
       {},
       1,
       kMostRanks,
       "",
       false,
       "",
       true},
      {"freeze",
       "Recipe",
       at(&Recipe::freeze),
       "Do not train this module or parameter (.: the model; repeatable)",
       {},
       0,
       0,
       "PATH",
       false,
       "",
       true},
  };
}

std::vector<RecipeField> adapter_fields() {
  return {
      {"lora-rank",
       "Adapters",
       at(&Recipe::lora_rank),
       "Train low-rank adapters alone",
       {},
       1,
       kMostRanks},
      {"lora-targets",
       "Adapters",
       at(&Recipe::lora_targets),
       "Linear layers that get one, by name: q_proj,v_proj; all-linear: all but the head (those "
       "that PEFT adapts by default: queries and values)",
       {},
       0,
       0,
       "NAMES",
       true},
      {"lora-dropout",
       "Adapters",
       at(&Recipe::lora_dropout),
       "Dropout of what enters an adapter, below 1",
       {},
       0,
       0,
       "P",
       false,
       "lora-rank"},
      {"adapter-dtype",
       "Adapters",
       at(&Recipe::adapter_dtype),
       "The type of the adapters (the stack's: PEFT makes them fp32)",
       {"fp32", "bf16", "fp16"},
       0,
       0,
       "",
       false,
       "lora-rank"},
      {"fused-lora",
       "Adapters",
       at(&Recipe::fused_lora),
       "A layer and its adapter as one op (unsloth)",
       {},
       0,
       0,
       "",
       false,
       "lora-rank"},
      {"train",
       "Adapters",
       at(&Recipe::train),
       "Train this module or parameter in full, beside adapters (repeatable)",
       {},
       0,
       0,
       "PATH",
       false,
       "",
       true},
      {"kbit-norms",
       "Adapters",
       at(&Recipe::kbit_norms),
       "Norms beside stored weights of few bits in this type (prepare_model_for_kbit_training)",
       {"fp32"},
       0,
       0,
       "",
       false,
       "quantize"},
  };
}

// Those of llama.cpp's caches, and 8-bit floats, which serving engines keep.
constexpr BlockFormat kFp8{"fp8", 1, 1};

std::vector<std::string> cache_types() {
  auto types = llama::kv_dtypes();
  types.insert(types.begin() + 3, "fp8");
  return types;
}

std::vector<RecipeField> inference_fields() {
  const std::string group = "Inference of language models";
  return {
      {"new-tokens",
       group,
       at(&Recipe::new_tokens),
       "Tokens written after the input: the cache of keys and values holds both",
       {},
       1,
       std::uint64_t{1} << 40},
      {"latent-cache",
       group,
       at(&Recipe::latent_cache),
       "Keys and values of latent attention: expanded, as eager keeps them, or compressed",
       {"expanded", "compressed"}},
      {"kv-dtype", group, at(&Recipe::kv_dtype),
       "The type of the cache of keys and values (that of the products; of llama.cpp f16)",
       cache_types()},
      {"logits",
       group,
       at(&Recipe::logits),
       "Logits of all tokens, or of the last one alone, as generation needs them",
       {"all", "last"}},
  };
}

std::vector<RecipeField> llama_fields() {
  const std::string group = "llama.cpp";
  return {
      {"gpu-layers",
       group,
       at(&Recipe::gpu_layers),
       "Layers on the GPU, the last ones first; the output counts as one (all)",
       {},
       0,
       kMostRanks},
      {"override-tensor",
       group,
       at(&Recipe::override_tensors),
       "Keep tensors whose name a regular expression is found in elsewhere: exps=CPU (repeatable)",
       {},
       0,
       0,
       "PATTERN=CPU|GPU"},
      {"ubatch",
       group,
       at(&Recipe::ubatch),
       "Tokens that are computed at a time (512)",
       {},
       1,
       kMostRanks},
  };
}

std::vector<RecipeField> layout_fields() {
  const std::string group = "Devices";
  return {
      {"dp", group, at(&Parallelism::data), "Data-parallel ranks", {}, 1, kMostRanks},
      {"zero",
       group,
       at(&Parallelism::zero),
       "ZeRO's stage over them: 0 to 3",
       {},
       0,
       3,
       "",
       false,
       "dp"},
      {"fsdp",
       group,
       at(&Parallelism::fsdp),
       "Fully sharded data parallel over them, one unit a block: version 1 or 2",
       {},
       1,
       2,
       "",
       false,
       "dp"},
      {"tp", group, at(&Parallelism::tensor), "Tensor-parallel ranks", {}, 1, kMostRanks},
      {"sequence-parallel",
       group,
       at(&Parallelism::sequence),
       "Cut the residual stream over them, too",
       {},
       0,
       0,
       "",
       false,
       "tp"},
      {"pp", group, at(&Parallelism::pipeline), "Pipeline stages", {}, 1, kMostRanks},
      {"interleave",
       group,
       at(&Parallelism::interleave),
       "Chunks of the model a stage",
       {},
       1,
       kMostRanks,
       "",
       false,
       "pp"},
      {"micro-batches",
       group,
       at(&Parallelism::micro_batches),
       "Parts that the batch is run in",
       {},
       1,
       kMostRanks},
  };
}

Loss loss_of(const Recipe& r) {
  if (r.loss.empty()) return stack(r.stack).loss;
  if (r.loss == "hf-4.45") return Loss::hf;
  for (const auto loss : {Loss::none, Loss::cross_entropy, Loss::hf, Loss::fast, Loss::fused_linear,
                          Loss::vocab_parallel, Loss::chunked})
    if (name_of(loss) == r.loss) return loss;
  fail("unknown loss '{}'", r.loss);
}

// The kernels' facts were measured with 4.45, whose model code they replace a part of.
Transformers version_of(const Recipe& r) {
  if (!r.transformers.empty())
    return r.transformers == "4.45" ? Transformers::v4_45 : Transformers::v4_48;
  const bool older = r.loss == "hf-4.45" || r.loss == "fast" || r.loss == "fused-linear";
  return older ? Transformers::v4_45 : Transformers::v4_48;
}

eager::Offload offload_of(const Recipe& r) {
  const auto has = [&](const char* part) {
    return std::find(r.offload.begin(), r.offload.end(), part) != r.offload.end();
  };
  return {has("optimizer"), has("weights"), has("activations")};
}

OptimizerImpl impl_of(const Recipe& r) {
  for (const auto impl : {OptimizerImpl::loop, OptimizerImpl::foreach, OptimizerImpl::fused})
    if (name_of(impl) == r.optimizer_impl) return impl;
  return stack(r.stack).optimizer_impl;
}

// QLoRA's nf4 has quantised scales.
std::string scheme_of(const Recipe& r) {
  return r.training() && r.quantize == "nf4" ? "nf4-dq" : r.quantize;
}

void set_norm_types(Graph& graph, DType dtype) {
  for (auto& param : graph.params)
    if (param.role == Role::norm) param.dtype = dtype;
}

}  // namespace

const std::vector<RecipeField>& recipe_fields() {
  static const std::vector<RecipeField> all = [] {
    std::vector<RecipeField> fields;
    for (auto* part : {numeric_fields, step_fields, adapter_fields, inference_fields, llama_fields,
                       layout_fields})
      for (auto& field : part()) fields.push_back(std::move(field));
    return fields;
  }();
  return all;
}

namespace {

std::string offload_fault(const Recipe& r) {
  const std::vector<std::string> known = {"optimizer", "weights", "activations"};
  for (const auto& part : r.offload) {
    if (std::find(known.begin(), known.end(), part) == known.end())
      return fmt::format("--offload: unknown part '{}'{} (known: {})", part,
                         did_you_mean(part, known), fmt::join(known, ", "));
    if (!r.training() && part != "weights")
      return fmt::format("--offload {}: inference has none; weights can be offloaded", part);
  }
  const auto o = offload_of(r);
  const bool units = r.parallel.fsdp > 0 || (r.parallel.zero == 3 && r.parallel.data > 1);
  if (o.weights && r.training() && !units)
    return "--offload weights in training moves sharded units: add --dp N with --fsdp or --zero 3";
  if (o.optimizer && r.parallel.fsdp > 0 && !o.weights)
    return "--offload optimizer with --fsdp: FSDP offloads both or none, write --offload weights";
  return "";
}

}  // namespace

std::string recipe_fault(const Recipe& r) {
  if (auto fault = offload_fault(r); !fault.empty()) return fault;
  if (!r.lora_rank && !r.lora_targets.empty()) return "--lora-targets requires --lora-rank";
  const bool lora = r.lora_rank.has_value();
  const bool pytorch = stack(r.stack).runs_pytorch;
  if (!pytorch && r.training())
    return fmt::format("--stack {} trains nothing: leave out --mode training", r.stack);
  if (r.training() && !r.kv_dtype.empty()) return "--kv-dtype is for --mode inference";
  if (pytorch && (r.gpu_layers || !r.override_tensors.empty() || r.ubatch != 512))
    return "--gpu-layers, --override-tensor and --ubatch are for --stack llama.cpp, "
           "which a "
           "GGUF file implies";
  if (r.training() && (r.new_tokens || r.latent_cache != "expanded" || r.logits != "all"))
    return "--new-tokens, --latent-cache and --logits are for --mode inference";
  if (r.training() && !r.quantize.empty() && !lora)
    return "--quantize in training: weights of few bits are not trained; adapters beside them are, "
           "with --lora-rank";
  const bool amp = r.precision.empty() || r.precision == "amp";
  if (!r.weights.empty() && !amp)
    return fmt::format("--weights is for --precision amp; {} states the weights' type itself",
                       r.precision);
  if (!r.amp_dtype.empty() && !amp)
    return fmt::format("--amp-dtype is for --precision amp, not for {}", r.precision);
  if (r.parallel.fsdp > 0 && r.parallel.zero > 0)
    return "--fsdp and --zero are two ways to shard: leave one of them out";
  if (r.parallel.fsdp > 0 && (r.parallel.tensor > 1 || r.parallel.pipeline > 1))
    return "--fsdp shards over --dp alone: leave out --tp and --pp";
  if (r.accumulate > 1 && r.parallel.micro_batches > 1)
    return "--accumulate and --micro-batches are the same: leave one of them out";
  return "";
}

void apply(const Recipe& r, BuildOptions& build) {
  build.training = r.training();
  build.attention = r.attention == "eager" ? AttentionKernel::eager : AttentionKernel::fused;
  build.repeat_kv = r.training() && version_of(r) == Transformers::v4_45;
  build.last_logits = r.logits == "last";
  const auto micro = r.parallel.micro_batches;
  if (build.batch % micro != 0)
    fail("--micro-batches {} does not divide the batch of {}", micro, build.batch);
  build.batch /= micro;
}

Graph prepared(Graph graph, const Recipe& r) {
  if (r.lora_rank) {
    Lora lora;
    lora.rank = *r.lora_rank;
    lora.targets = r.lora_targets;
    lora.dropout = r.training() ? r.lora_dropout : 0;
    lora.dtype = dtype_named(r.adapter_dtype);
    if (!lora.dtype && stack(r.stack).fp32_adapters) lora.dtype = DType::f32;
    graph = with_lora(graph, lora);
  }
  if (const auto norms = dtype_named(r.kbit_norms)) set_norm_types(graph, *norms);
  freeze(graph, r.freeze);
  train(graph, r.train, !r.lora_rank);
  return graph;
}

MemoryOptions memory_options(const Recipe& r, eager::Device device) {
  MemoryOptions m;
  m.training = r.training();
  m.precision = precision(r.precision.empty() ? "amp" : r.precision);
  if (const auto weights = dtype_named(r.weights)) {
    m.precision.weights = *weights;
    m.precision.states = *weights;
  }
  m.amp_dtype = dtype_named(r.amp_dtype);
  m.optimizer = optimizer(m.training ? r.optimizer : "none");
  m.device = device;
  m.stack = stack(r.stack);
  m.optimizer_impl = impl_of(r);
  m.loss = loss_of(r);
  m.transformers = version_of(r);
  m.fused_norm = r.fused_norm;
  m.fused_lora = r.fused_lora;
  m.keep_gradients = r.keep_gradients || r.accumulate > 1;
  m.checkpoint = checkpoint_named(r.checkpoint).value_or(ActivationCheckpointing::none);
  m.parallel = r.parallel;
  m.offload = offload_of(r);
  if (r.latent_cache == "compressed") m.latent = LatentCache::compressed;
  if (!r.kv_dtype.empty())
    m.cache_format = r.kv_dtype == kFp8.name ? &kFp8 : &block_format(r.kv_dtype);
  return m;
}

void add_stored_weights(const Recipe& r, const Graph& graph, MemoryOptions& m) {
  if (r.quantize.empty()) return;
  auto& p = m.packed;
  for (const auto& weight : quantized_weights(graph, scheme_of(r))) {
    p.stored.push_back(weight.bytes);
    p.per_rank.push_back(weight.per_rank);
    p.packed.push_back(weight.packed);
    p.unpacked |= weight.unpacked;
  }
  // What is trained is not stored in few bits.
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    if (!graph.params[id].trainable || !m.training) continue;
    p.stored[id] =
        numel(graph.params[id]) * size_of(graph.params[id].dtype.value_or(m.precision.weights));
    p.packed[id] = false;
  }
}

}  // namespace vitals
