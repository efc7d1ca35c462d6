#include "cost/rules_of_thumb.h"
#include "report/language_model.h"
#include "report/memory.h"
#include "report/op_list.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::ordered_json;

ordered_json bytes_json(const MemoryBytes& b) {
  return {{"weights", b.weights.value()},     {"gradients", b.gradients.value()},
          {"optimizer", b.optimizer.value()}, {"activations", b.activations.value()},
          {"workspace", b.workspace.value()}, {"kv_cache", b.kv_cache.value()},
          {"total", b.total().value()}};
}

ordered_json peak_json(const Graph& graph, const MemoryPeak& peak) {
  auto kinds = ordered_json::object();
  for (std::size_t k = 0; k < eager::kKinds; ++k)
    if (peak.by_kind[k] > Count(0))
      kinds[std::string(to_string(static_cast<eager::Kind>(k)))] = peak.by_kind[k].value();
  return {{"bytes", peak.bytes.value()},
          {"phase", to_string(peak.phase)},
          {"at", peak.at.empty() ? graph.model : peak.at},
          {"op", peak.op},
          {"by_kind", std::move(kinds)}};
}

ordered_json activations_json(const SavedActivations& s) {
  auto by_type = ordered_json::object();
  for (const auto& [type, bytes] : s.by_type) by_type[type] = bytes.value();
  return {{"saved", s.saved.value()},
          {"input", s.input.value()},
          {"loss", s.loss.value()},
          {"weight_casts", s.weight_casts.value()},
          {"by_type", std::move(by_type)}};
}

ordered_json share_json(const MemoryAnswer& a) {
  const auto& p = a.options.parallel;
  auto json = bytes_json(a.share->bytes);
  json["peak"] = peak_json(a.graph, a.share->peak);
  json["devices"] = p.devices().value();
  json["dp"] = p.data;
  json["zero"] = p.zero;
  json["fsdp"] = p.fsdp;
  json["tp"] = p.tensor;
  json["sequence_parallel"] = p.sequence;
  json["pp"] = p.pipeline;
  json["interleave"] = p.interleave;
  json["micro_batches"] = p.micro_batches;
  json["pipeline_rank"] = a.share->pipeline_rank;
  json["micro_batches_in_flight"] = a.share->in_flight;
  if (!a.share->stage_peaks.empty()) {
    auto& stages = json["stages"] = ordered_json::array();
    for (const auto bytes : a.share->stage_peaks)
      stages.push_back({{"peak", {{"bytes", bytes.value()}}}});
  }
  return json;
}

ordered_json fit_json(const MemoryAnswer::FitResult& f) {
  auto advice = ordered_json::array();
  for (const auto& x : f.advice)
    advice.push_back({{"change", x.change},
                      {"meaning", x.meaning},
                      {"cost", x.cost},
                      {"need", x.need.value()},
                      {"fits", x.need <= f.budget.bytes},
                      {"largest_batch", x.largest}});
  ordered_json json = {{"budget", f.budget.bytes.value()},
                       {"batch", f.fit.batch},
                       {"need", f.fit.need.value()},
                       {"next_need", f.fit.next_need.value()},
                       {"advice", std::move(advice)}};
  if (!f.command.empty()) json["command"] = f.command;
  return json;
}

ordered_json trained_json(const MemoryAnswer::Trained& t) {
  ordered_json json = {{"frozen", t.frozen}, {"lora", nullptr}};
  if (t.lora_rank) json["lora"] = {{"rank", *t.lora_rank}, {"targets", t.lora_targets}};
  return json;
}

// A scalar as a cell; nothing for null.
std::string cell(const ordered_json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// "by_kind.weights": what an object or array holds, one row a scalar.
void add_rows(Table& table, const std::string& section, const std::string& name,
              const ordered_json& value) {
  if (!value.is_structured()) {
    table.rows.push_back({section, name, "", cell(value)});
    return;
  }
  for (const auto& [key, part] : value.items())
    add_rows(table, section, name.empty() ? key : name + "." + key, part);
}

// What was asked for, as far as no batch changes it.
ordered_json question_json(const std::string& model, const MemoryOptions& options) {
  return {{"schema_version", 1},
          {"model", model},
          {"mode", options.training ? "training" : "inference"},
          {"batch", nullptr},
          {"precision", options.precision.name},
          {"optimizer", options.training ? options.optimizer.name : "none"}};
}

ordered_json timeline_json(const Graph& graph, const MemoryEstimate& e) {
  auto points = ordered_json::array();
  for (const auto& point : e.timeline)
    points.push_back({{"phase", to_string(point.phase)},
                      {"at", path_of(graph, point.label)},
                      {"op", point.label.op},
                      {"live", point.live.value()},
                      {"high", point.high.value()}});
  return points;
}

}  // namespace

ordered_json memory_json(const MemoryAnswer& a) {
  const auto params = parameters(a.graph).sum();
  auto json = question_json(a.graph.model, a.options);
  json["batch"] = a.batch;
  json["stack"] = a.options.stack.name;
  json["attention"] = a.attention == AttentionKernel::eager ? "eager" : "fused";
  json["device"] = a.device;
  json["checkpoint"] = name_of(a.options.checkpoint);
  if (a.options.training) {
    json["loss"] = name_of(a.options.loss);
    json["optimizer_impl"] = name_of(a.options.optimizer_impl);
  }
  if (const auto& o = a.options.offload; o.steps_on_host() || o.activations)
    json["offload"] = {
        {"optimizer", o.steps_on_host()}, {"weights", o.weights}, {"activations", o.activations}};
  json["params"] = params.value();
  json["trained_params"] = a.options.training ? trainable_parameters(a.graph).value() : 0;
  json["trained"] = trained_json(a.trained);
  add_unknown_ops(json, json, a.graph);
  json["bytes"] = bytes_json(a.whole.bytes);
  json["activations"] = activations_json(a.whole.activations);
  json["peak"] = peak_json(a.graph, a.whole.peak);
  auto& phases = json["phases"] = ordered_json::object();
  for (const auto& phase : a.whole.phases)
    phases[std::string(to_string(phase.phase))] = {{"peak", phase.bytes.value()},
                                                   {"end", phase.end.value()}};
  if (const auto need = a.on_device().allocator)
    json["device_memory"] = {{"allocator", need->value()},
                             {"reserve", a.reserve.value()},
                             {"total", (*need + a.reserve).value()}};
  if (const auto fits = a.fits()) json["fits"] = *fits;
  if (a.measured) json["measured"] = measured_json(*a.measured);
  if (a.share) json["per_device"] = share_json(a);
  if (a.fit) json["fit"] = fit_json(*a.fit);
  if (a.keeps_cache())
    json["kv_cache"] = kv_cache_json(a.graph, a.cached_tokens(), cache_format(a.options));
  if (!a.quantization.empty())
    json["quantization"] = quantized_json(a.quantization, quantized_size(a.graph, a.quantization));
  json["rule_of_thumb"] = {{"inference_2phi", rules::inference_2phi(params).value()},
                           {"training_20phi", rules::training_20phi(params).value()}};
  const auto weights = weights_by_module(a);
  auto& modules = json["modules"] = ordered_json::array();
  for (ModuleId id = 0; id < a.graph.modules.size(); ++id)
    modules.push_back({{"path", a.graph.modules[id].path},
                       {"type", a.graph.modules[id].type},
                       {"weights", weights[id].value()},
                       {"saved", a.whole.activations.by_module.own[id].value()}});
  json["timeline"] = timeline_json(a.graph, a.whole);
  return json;
}

ordered_json unfit_json(const std::string& model, const MemoryOptions& options,
                        const MemoryAnswer::FitResult& fit) {
  auto json = question_json(model, options);
  json["fit"] = fit_json(fit);
  return json;
}

Table memory_numbers(const ordered_json& json) {
  Table table{{{"section"}, {"name"}, {"type"}, {"value", true}}, {}, {}};
  for (const auto& [key, value] : json.items()) {
    if (key == "schema_version" || key == "timeline" || key == "modules") continue;
    const bool scalar = !value.is_structured();
    add_rows(table, scalar ? "assumed" : key, scalar ? key : "", value);
  }
  if (!json.contains("modules")) return table;
  for (const char* figure : {"weights", "saved"})
    for (const auto& m : json["modules"])
      table.rows.push_back(
          {std::string("module_") + figure, cell(m["path"]), cell(m["type"]), cell(m[figure])});
  return table;
}

}  // namespace vitals
