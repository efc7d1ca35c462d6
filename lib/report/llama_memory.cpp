#include "report/llama_memory.h"

#include "report/text/units.h"
#include "report/text/wrap.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::ordered_json;

std::uint64_t layers_on_gpu(const llama::Estimate& e) {
  std::uint64_t count = e.output_on_gpu ? 1 : 0;
  for (const auto& layer : e.layers) count += layer.on_gpu ? 1 : 0;
  return count;
}

std::string tokens(std::uint64_t n) { return grouped(n) + (n == 1 ? " token" : " tokens"); }

std::string llama_headline(const LlamaMemory& a) {
  const auto& e = a.estimate;
  const auto cpu = e.cpu.total();
  auto text =
      a.options.gpu
          ? fmt::format("{}: llama.cpp takes {} of the GPU and {} of the CPU's memory", a.model,
                        binary_bytes(e.gpu.total()), binary_bytes(cpu))
          : fmt::format("{}: llama.cpp takes {} of the CPU's memory", a.model, binary_bytes(cpu));
  text += fmt::format(" with a context of {}.", tokens(a.options.context));
  if (const auto fits = a.fits())
    text +=
        fmt::format(" That {} {}.", *fits ? "fits into" : "does not fit into", a.capacity->text);
  return text + "\n";
}

Table llama_assumptions(const LlamaMemory& a) {
  const auto& o = a.options;
  const auto& e = a.estimate;
  Table table{{{"assumed"}, {""}}, {}, {}};
  const auto trained = a.trained == 0
                           ? std::string()
                           : fmt::format("; the model was trained with {}", grouped(a.trained));
  table.rows.push_back(
      {"context", fmt::format("{} (--seq-len){}, {} sequence{} (--batch)", tokens(o.context),
                              trained, o.sequences, o.sequences == 1 ? "" : "s")});
  table.rows.push_back({"layers", o.gpu ? fmt::format("{} of {} on the GPU, the output among them "
                                                      "(--gpu-layers)",
                                                      layers_on_gpu(e), e.layers.size() + 1)
                                        : std::string("all on the CPU")});
  table.rows.push_back(
      {"cache", fmt::format("{} (--kv-dtype), {} cells", o.kv_dtype, grouped(e.cells))});
  table.rows.push_back({"attention", o.flash_attention
                                         ? "flash (--attention fused): no scores are held"
                                         : "written out (--attention eager): the scores are held"});
  table.rows.push_back({"graph", fmt::format("{} at a time (--ubatch)", tokens(e.ubatch))});
  return table;
}

// The same in three lines.
std::string llama_facts(const LlamaMemory& a, bool markdown) {
  const auto& o = a.options;
  const auto trained =
      a.trained == 0 ? std::string() : fmt::format(", trained with {}", grouped(a.trained));
  const std::pair<const char*, std::string> lines[] = {
      {"context", fmt::format("{} (--seq-len){}; {} sequence{} (--batch)", tokens(o.context),
                              trained, o.sequences, o.sequences == 1 ? "" : "s")},
      {"layers", o.gpu ? fmt::format("{} of {} on the GPU (--gpu-layers)",
                                     layers_on_gpu(a.estimate), a.estimate.layers.size() + 1)
                       : std::string("all on the CPU")},
      {"assumed",
       fmt::format("{} cache (--kv-dtype), {} attention, {} at a time (--ubatch)", o.kv_dtype,
                   o.flash_attention ? "flash" : "eager", tokens(a.estimate.ubatch))}};
  std::string text;
  for (const auto& [name, fact] : lines)
    text += markdown ? fmt::format("- {}: {}\n", name, fact) : fmt::format("{:<9}{}\n", name, fact);
  return text;
}

std::string fullest(const LlamaMemory& a, std::size_t most) {
  std::vector<std::string> parts;
  for (const auto& piece : a.estimate.graph.pieces)
    if (parts.size() < most)
      parts.push_back(fmt::format("{} {}", piece.what, binary_bytes(piece.bytes)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

Table llama_parts(const LlamaMemory& a, bool details) {
  const auto& e = a.estimate;
  Table table{{{"part"}, {"GPU", true}, {"CPU", true}, {""}}, {}, {}};
  const auto add = [&](const std::string& part, Count gpu, Count cpu, const std::string& note) {
    table.rows.push_back({part, binary_bytes(gpu), binary_bytes(cpu), note});
  };
  add("weights", e.gpu.weights, e.cpu.weights, a.formats);
  add("kv cache", e.gpu.kv_cache, e.cpu.kv_cache, "keys and values, allocated whole");
  add("compute buffer", e.gpu.compute, e.cpu.compute, fullest(a, details ? 3 : 1));
  add("output buffer", e.gpu.output, e.cpu.output, "logits of a token of each sequence");
  add("total", e.gpu.total(), e.cpu.total(), "");
  return table;
}

std::string advice_line(const LlamaMemory& a) {
  if (!a.capacity) return "";
  const auto layers = a.most_layers ? fmt::format("{} of {} layers fit at this context",
                                                  *a.most_layers, a.estimate.layers.size() + 1)
                                    : std::string("no layer fits at this context");
  const auto context = a.largest_context
                           ? fmt::format("the largest context is {}", tokens(*a.largest_context))
                           : std::string("no context fits with these layers");
  if (!a.options.gpu) return fmt::format("In {}: {}.\n", a.capacity->text, context);
  return fmt::format("In {}: {}; {}.\n", a.capacity->text, context, layers);
}

Table llama_layers(const LlamaMemory& a) {
  Table table{{{"layer"}, {"on"}, {"GPU weights", true}, {"CPU weights", true}, {"kv cache", true}},
              {},
              {}};
  for (const auto& layer : a.estimate.layers)
    table.rows.push_back({fmt::format("{}", layer.index), layer.on_gpu ? "GPU" : "CPU",
                          binary_bytes(layer.gpu_weights), binary_bytes(layer.cpu_weights),
                          binary_bytes(layer.kv_cache)});
  return table;
}

Table llama_pieces(const LlamaMemory& a) {
  Table table{{{"when the compute buffer is full"}, {"bytes", true}}, {}, {}};
  for (const auto& piece : a.estimate.graph.pieces)
    table.rows.push_back({piece.what, binary_bytes(piece.bytes)});
  const auto& g = a.estimate.graph;
  table.rows.push_back({"gaps between them", binary_bytes(g.bytes - g.live)});
  return table;
}

ordered_json place_json(const llama::Place& place) {
  return {{"weights", place.weights.value()},
          {"kv_cache", place.kv_cache.value()},
          {"compute", place.compute.value()},
          {"output", place.output.value()},
          {"total", place.total().value()}};
}

}  // namespace

std::string llama_memory_text(const LlamaMemory& a, bool details, const TextLayout& layout,
                              bool markdown) {
  const auto shown = [&](const Table& table) {
    return (markdown ? to_markdown(table) : to_text(table, layout)) + "\n";
  };
  auto text = wrapped(llama_headline(a), layout.width) + "\n" + shown(llama_parts(a, details));
  if (const auto advice = advice_line(a); !advice.empty())
    text += wrapped(advice, layout.width) + "\n";
  text += details ? shown(llama_assumptions(a)) : wrapped(llama_facts(a, markdown), layout.width);
  if (details) text += "\n" + shown(llama_pieces(a)) + shown(llama_layers(a));
  if (text.ends_with("\n\n")) text.pop_back();
  return text;
}

ordered_json llama_memory_json(const LlamaMemory& a) {
  const auto& e = a.estimate;
  const auto& o = a.options;
  const auto both = [](Count x, Count y) { return (x + y).value(); };
  ordered_json json = {{"model", a.model},
                       {"mode", "inference"},
                       {"stack", "llama.cpp"},
                       {"batch", o.sequences},
                       {"context", o.context},
                       {"ubatch", e.ubatch},
                       {"kv_dtype", o.kv_dtype},
                       {"attention", o.flash_attention ? "fused" : "eager"},
                       {"device", a.device},
                       {"gpu_layers", layers_on_gpu(e)},
                       {"num_layers", e.layers.size()}};
  json["bytes"] = {
      {"weights", both(e.gpu.weights, e.cpu.weights)},
      {"gradients", 0},
      {"optimizer", 0},
      {"activations", 0},
      {"workspace", (e.gpu.compute + e.cpu.compute + e.gpu.output + e.cpu.output).value()},
      {"kv_cache", both(e.gpu.kv_cache, e.cpu.kv_cache)},
      {"total", both(e.gpu.total(), e.cpu.total())}};
  json["peak"] = {{"bytes", a.loaded().total().value()},
                  {"phase", "forward"},
                  {"at", e.graph.pieces.empty() ? "" : e.graph.pieces.front().what}};
  json["per_device"] = {{"gpu", o.gpu ? place_json(e.gpu) : ordered_json(nullptr)},
                        {"cpu", place_json(e.cpu)}};
  auto& pieces =
      json["compute_buffer"] = {{"bytes", e.graph.bytes.value()}, {"live", e.graph.live.value()}};
  pieces["pieces"] = ordered_json::array();
  for (const auto& piece : e.graph.pieces)
    pieces["pieces"].push_back({{"what", piece.what}, {"bytes", piece.bytes.value()}});
  auto& layers = json["layers"] = ordered_json::array();
  for (const auto& layer : e.layers)
    layers.push_back({{"layer", layer.index},
                      {"device", layer.on_gpu ? "gpu" : "cpu"},
                      {"gpu_weights", layer.gpu_weights.value()},
                      {"cpu_weights", layer.cpu_weights.value()},
                      {"kv_cache", layer.kv_cache.value()}});
  if (a.capacity) {
    json["capacity"] = {{"bytes", a.capacity->bytes.value()}, {"text", a.capacity->text}};
    json["fits"] = *a.fits();
    json["largest_context"] =
        a.largest_context ? ordered_json(*a.largest_context) : ordered_json(nullptr);
    json["most_gpu_layers"] = a.most_layers ? ordered_json(*a.most_layers) : ordered_json(nullptr);
  }
  return json;
}

}  // namespace vitals
