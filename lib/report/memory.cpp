#include "report/memory.h"

#include "cost/rules_of_thumb.h"
#include "graph/blocks.h"
#include "report/language_model.h"
#include "report/module_table.h"
#include "report/op_list.h"
#include "report/page/chart.h"
#include "report/text/units.h"
#include "report/text/wrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vitals {
namespace {

std::string bytes_axis(double bytes) { return binary_bytes(bytes); }

Count weight_bytes(const MemoryAnswer& a, ParamId id) {
  const auto& param = a.graph.params[id];
  if (param.buffer) return 0;
  const auto& stored = a.options.packed.stored;
  if (id < stored.size() && (!param.dtype || a.options.packed.is_packed(id))) return stored[id];
  return numel(param) * size_of(param.dtype.value_or(a.options.precision.weights));
}

// ---- what was assumed

std::string attention_text(const MemoryAnswer& a) {
  if (a.attention == AttentionKernel::eager) return "eager: written out, the scores are held";
  if (!a.runtime.is_cuda())
    return fmt::format(
        "fused: scaled_dot_product_attention; that {}'s kernel holds no scores is "
        "assumed",
        a.runtime.name);
  return "fused: scaled_dot_product_attention, flash kernel; the scores are never held";
}

std::string checkpoint_text(const MemoryAnswer& a) {
  const auto regions = a.on_device().checkpointed;
  switch (a.options.checkpoint) {
    case ActivationCheckpointing::none:
      return "none: everything is kept for the backward pass";
    case ActivationCheckpointing::selective:
      return regions == 0 ? "selective: fused attention leaves nothing to spare"
                          : fmt::format("selective: {} attention cores run twice", regions);
    case ActivationCheckpointing::block:
      return fmt::format("block: {} blocks run twice, only their inputs are kept", regions);
  }
  return "";
}

std::string loss_text(const MemoryOptions& o) {
  const auto library = fmt::format("as transformers {} computes it", name_of(o.transformers));
  switch (o.loss) {
    case Loss::none:
      return "none: a gradient enters at the output";
    case Loss::cross_entropy:
      return "cross-entropy";
    case Loss::hf:
      return fmt::format("hf: fp32 copy, shifted copy, log-softmax, {}", library);
    case Loss::fast:
      return fmt::format("fast: the kernel works inside the shifted fp32 copy, {}", library);
    case Loss::fused_linear:
      return "fused-linear: head and loss in chunks of rows, logits are never whole";
    case Loss::vocab_parallel:
      return "vocab-parallel: fp32 logits, whose exponentials take their place, as Megatron";
    case Loss::chunked:
      return "chunked: logits become fp32 in eight chunks";
  }
  return "";
}

std::string devices_text(const Parallelism& p) {
  std::vector<std::string> parts;
  if (p.data > 1)
    parts.push_back(fmt::format("data {}{}", p.data,
                                p.fsdp > 0   ? fmt::format(" with FSDP{}, one unit a block", p.fsdp)
                                : p.zero > 0 ? fmt::format(" with ZeRO stage {}", p.zero)
                                             : ""));
  if (p.tensor > 1)
    parts.push_back(fmt::format("tensor {}{}", p.tensor, p.sequence ? " with sequence" : ""));
  if (p.pipeline > 1)
    parts.push_back(fmt::format(
        "pipeline {}{}", p.pipeline,
        p.interleave > 1 ? fmt::format(" of {} interleaved chunks", p.interleave) : ""));
  return fmt::format("{}: {}", p.devices(), fmt::join(parts, " x "));
}

// What the options change of a recipe's types is said after its own words.
std::string precision_text(const MemoryOptions& o) {
  auto text = fmt::format("{}: {}", o.precision.name, o.precision.doc);
  const auto& usual = precision(o.precision.name);
  if (o.precision.weights != usual.weights)
    text += fmt::format("; here weights in {}", to_string(o.precision.weights));
  if (o.precision.autocast && o.amp_dtype)
    text += fmt::format("; here products in {}", to_string(*o.amp_dtype));
  return text;
}

Table assumptions(const MemoryAnswer& a) {
  Table table{{{"assumed"}, {""}}, {}, {}};
  const auto row = [&](const char* name, std::string text) {
    table.rows.push_back({name, std::move(text)});
  };
  const auto& o = a.options;
  std::vector<std::string> inputs;
  for (const auto id : a.graph.inputs) inputs.push_back(to_string(a.graph.nodes[id].shape));
  const auto micro = o.parallel.micro_batches;
  row("batch", fmt::format("{}{}, input {}", a.batch,
                           micro > 1 ? fmt::format(" in {} micro-batches", micro) : "",
                           fmt::join(inputs, ", ")));
  row("stack", fmt::format("{}: {}", o.stack.name, o.stack.doc));
  row("precision", precision_text(o));
  row("attention", attention_text(a));
  const auto& trained = a.trained;
  if (trained.lora_rank)
    row("adapters", fmt::format("LoRA of rank {} beside {}; they alone are trained{}",
                                *trained.lora_rank, fmt::join(trained.lora_targets, ", "),
                                o.fused_lora ? "; one op with their layers" : ""));
  if (o.training) {
    if (!trained.frozen.empty()) row("frozen", fmt::format("{}", fmt::join(trained.frozen, ", ")));
    row("optimizer",
        fmt::format("{}, {}: {}", o.optimizer.name, name_of(o.optimizer_impl), o.optimizer.source));
    row("gradients", o.keep_gradients || micro > 1
                         ? "allocated through the forward pass"
                         : "set to None before the forward pass (zero_grad's default)");
    row("loss", loss_text(o));
    row("checkpoint", checkpoint_text(a));
  }
  row("device", a.device);
  if (o.parallel.devices() > Count(1)) row("devices", devices_text(o.parallel));
  return table;
}

// ---- the parts

std::string weights_text(const MemoryAnswer& a) {
  const auto& p = a.options.precision;
  const auto type = a.quantization.empty() ? std::string(to_string(p.weights)) : a.quantization;
  if (a.share)
    return fmt::format("this device's part of {} parameters in {}", si(parameters(a.graph).sum()),
                       type);
  return fmt::format("{} parameters in {}", si(parameters(a.graph).sum()), type);
}

Table parts(const MemoryAnswer& a) {
  const auto& e = a.on_device();
  const auto& b = e.bytes;
  Table table{{{"part"}, {"bytes", true}, {""}}, {}, {}};
  const auto row = [&](const char* name, Count bytes, std::string text) {
    table.rows.push_back({name, binary_bytes(bytes), std::move(text)});
  };
  row("weights", b.weights, weights_text(a));
  if (a.options.training) {
    const auto trained = trainable_parameters(a.graph);
    const auto share = trained == parameters(a.graph).sum()
                           ? ""
                           : fmt::format(" of {} trained parameters", si(trained));
    row("gradients", b.gradients, "of the loss by every weight" + std::string(share));
    row("optimizer", b.optimizer,
        a.options.precision.master_weights ? "states and fp32 master weights" : "states");
    row("activations", b.activations,
        fmt::format("kept for the backward pass, and the batch: {} a sample",
                    binary_bytes(b.activations.as_double() /
                                 (static_cast<double>(a.graph.batch) * e.in_flight))));
  } else {
    row("activations", b.activations, "live at the highest moment, the input included");
    if (a.keeps_cache())
      row("kv cache", b.kv_cache,
          fmt::format("keys and values of {} tokens{}", grouped(a.cached_tokens()),
                      a.batch > 1 ? " a sample" : ""));
  }
  row("workspace", b.workspace, "the most that temporaries take at one moment, and buffers");
  row("total", b.total(), "the sum; the parts need not be live at one moment");
  row("peak", e.peak.bytes, "what is live at the highest moment");
  if (e.allocator) {
    row("allocator", *e.allocator, "what PyTorch's caching allocator needs for that");
    row("device", *e.allocator + a.reserve,
        fmt::format("with {} for {}, its libraries and the driver", binary_bytes(a.reserve),
                    a.runtime.reserved_for));
  }
  return table;
}

Table at_the_peak(const MemoryAnswer& a) {
  const auto& peak = a.on_device().peak;
  Table table{{{"at the highest moment"}, {"bytes", true}, kShareColumn}, {}, {}};
  // What the layers made, by type of module and op, beside the kinds that need no explanation.
  std::map<std::string, Count> lines;
  for (const auto& piece : peak.pieces) {
    const bool made =
        piece.kind == eager::Kind::activation || piece.kind == eager::Kind::activation_gradient;
    std::string name(eager::to_string(piece.kind));
    if (made && piece.label.module < a.graph.modules.size()) {
      const auto& type = a.graph.modules[piece.label.module].type;
      name += fmt::format(": {} of {}", piece.label.op, type);
    }
    if (piece.bytes > Count(0)) lines[name] += piece.bytes;
  }
  std::vector<std::pair<std::string, Count>> sorted(lines.begin(), lines.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& x, const auto& y) { return x.second > y.second; });
  constexpr std::size_t kMost = 10;
  Count rest;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i >= kMost) {
      rest += sorted[i].second;
      continue;
    }
    table.rows.push_back({sorted[i].first, binary_bytes(sorted[i].second),
                          share_text(sorted[i].second, peak.bytes)});
  }
  if (rest > Count(0))
    table.rows.push_back({"everything else", binary_bytes(rest), share_text(rest, peak.bytes)});
  return table;
}

// ---- rules of thumb

struct RuleLine {
  std::string rule;
  double theirs = 0;
  double ours = 0;
  std::string what;
};

// What the blocks keep, without autocast's copies of weights, which no rule counts.
double kept_by_blocks(const MemoryAnswer& a) {
  Count kept;
  for (const auto call : block_calls(a.graph))
    kept += a.whole.activations.by_module.total[a.graph.calls[call].module];
  return (kept - std::min(kept, a.whole.activations.weight_casts)).as_double();
}

std::vector<RuleLine> rule_lines(const MemoryAnswer& a) {
  std::vector<RuleLine> lines;
  const auto params = parameters(a.graph).sum();
  const auto& b = a.whole.bytes;
  if (!a.options.training) {
    lines.push_back({"2Φ", rules::inference_2phi(params).as_double(), b.total().as_double(),
                     "all of inference"});
    return lines;
  }
  if (a.share && a.options.parallel.zero > 0 && a.options.parallel.data > 1) {
    const auto ranks = static_cast<double>(a.options.parallel.data);
    const auto& own = a.share->bytes;
    lines.push_back({fmt::format("ZeRO stage {}, K = 12", a.options.parallel.zero),
                     rules::zero_states(params.as_double(), 12, a.options.parallel.zero, ranks),
                     (own.weights + own.gradients + own.optimizer).as_double(),
                     "weights, gradients and optimizer, a device"});
  }
  lines.push_back({"20Φ", rules::training_20phi(params).as_double(),
                   (b.weights + b.gradients + b.optimizer).as_double(),
                   "weights, gradients and optimizer"});
  if (!a.graph.plain_stack) return lines;
  const auto& s = *a.graph.plain_stack;
  const rules::Layer layer{static_cast<double>(s.tokens), static_cast<double>(a.graph.batch),
                           static_cast<double>(s.hidden), static_cast<double>(s.heads)};
  using rules::Recompute;
  const auto recompute = a.options.checkpoint == ActivationCheckpointing::block ? Recompute::full
                         : a.options.checkpoint == ActivationCheckpointing::selective ||
                                 a.attention == AttentionKernel::fused
                             ? Recompute::selective
                             : Recompute::none;
  const char* text = recompute == Recompute::full        ? "2sbh a layer"
                     : recompute == Recompute::selective ? "34sbh a layer"
                                                         : "34sbh+5as²b a layer";
  const auto theirs =
      rules::layer_activations(layer, 1, false, recompute) * static_cast<double>(s.layers);
  lines.push_back({text, theirs, kept_by_blocks(a), "what the blocks keep"});
  return lines;
}

Table rules_table(const MemoryAnswer& a) {
  Table table{
      {{"rule of thumb"}, {"the rule", true}, {"vitals", true}, {"rule is off by", true}, {"of"}},
      {},
      {}};
  for (const auto& line : rule_lines(a))
    table.rows.push_back(
        {line.rule, binary_bytes(line.theirs), binary_bytes(line.ours),
         line.ours > 0 ? fmt::format("{:+.0f} %", 100 * (line.theirs / line.ours - 1)) : "-",
         line.what});
  return table;
}

// ---- over the step

std::string timeline_text(const MemoryEstimate& e, std::size_t width, std::size_t height) {
  std::vector<ChartSection> sections;
  for (const auto& phase : e.phases) sections.push_back({std::string(to_string(phase.phase)), {}});
  for (const auto& point : e.timeline)
    sections[static_cast<std::size_t>(point.phase)].values.push_back(point.high.as_double());
  constexpr std::size_t kWide = 95;
  return area_chart(sections, width == 0 ? kWide : std::min(width, kWide), height, bytes_axis);
}

constexpr const char* kLeftOut =
    "Not counted: what PyTorch's allocator cannot use, and CUDA itself. --allocator adds them, as "
    "a model.\n";

constexpr const char* kNotModelled =
    "Not counted: what the allocator of this device's runtime cannot use, and kernels' workspaces; "
    "they are modelled for CUDA and ROCm alone.\n";

}  // namespace

std::vector<Count> weights_by_module(const MemoryAnswer& a) {
  std::vector<Count> own(a.graph.modules.size());
  for (ParamId id = 0; id < a.graph.params.size(); ++id)
    own[a.graph.params[id].module] += weight_bytes(a, id);
  return own;
}

Table memory_modules(const MemoryAnswer& a, const TreeOptions& options) {
  const auto weights = roll_up_modules(a.graph, weights_by_module(a));
  const auto& kept = a.whole.activations.by_module;
  auto table = module_table(
      a.graph, tree_lines(a.graph, options, {&kept.own}),
      {figure_column("weights", of_params(weights, [&](ParamId id) { return weight_bytes(a, id); }),
                     binary_bytes),
       figure_column("kept", of_ops(kept), binary_bytes), share_column(of_ops(kept), kept.sum())});
  if (a.share)
    table.notes.emplace_back("The table is of the whole model, as one device would hold it.");
  add_lower_bound_note(table, a.graph);
  return table;
}

std::string memory_text(const MemoryAnswer& a, const MemoryTextOptions& options) {
  const auto width = options.layout.width;
  auto text = memory_page(a, options);
  const auto add = [&](const Table& table) {
    text += '\n' + (options.markdown ? to_markdown(table) : to_text(table, options.layout));
  };
  if (a.measured) {
    add(measured_table(*a.measured));
    text += wrapped(measured_sentence(*a.measured), width);
  }
  // Where shares have bars, a training step has its outline.
  const bool outlined = options.details && options.layout.bars && a.options.training;
  const std::size_t height = options.timeline ? 12 : outlined ? 3 : 0;
  const std::string fence = options.markdown ? "```\n" : "";
  if (height > 0) text += '\n' + fence + timeline_text(a.on_device(), width, height) + fence;
  if (options.details) {
    add(assumptions(a));
    add(parts(a));
    add(at_the_peak(a));
    if (a.keeps_cache()) add(kv_cache_table(a.graph, a.cached_tokens(), cache_format(a.options)));
    if (!a.quantization.empty()) add(quantized_table(quantized_size(a.graph, a.quantization)));
  }
  if (a.options.training && (options.details || options.modules))
    add(memory_modules(a, options.tree));
  if (options.details) {
    add(rules_table(a));
    if (a.device != "cpu" && !a.on_device().allocator)
      text += '\n' + wrapped(a.runtime.is_cuda() ? kLeftOut : kNotModelled, width);
  }
  return text;
}

}  // namespace vitals
