#include "plan_runs.h"

#include "core/csv.h"
#include "core/error.h"
#include "device_option.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "plan/trained_memory.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace vitals::cli {
namespace {

// The sizes of a row as a spec.
Model model_of(const plan::TrainedModel& m) {
  const auto n = [](double x) { return static_cast<std::uint64_t>(x); };
  nlohmann::json spec = {{"architecture", "decoder"},
                         {"name", m.name.empty() ? "model" : m.name},
                         {"vocab_size", n(m.vocab)},
                         {"hidden_size", n(m.hidden)},
                         {"num_hidden_layers", n(m.layers)},
                         {"num_attention_heads", n(m.heads)},
                         {"intermediate_size", n(m.ffn > 0 ? m.ffn : m.moe_ffn)},
                         {"mlp_gated", m.gated},
                         {"hidden_act", m.gated ? "silu" : "gelu_tanh"},
                         {"tie_word_embeddings", m.tied},
                         {"position_embedding", "rope"},
                         {"attention_bias", false},
                         {"attention_out_bias", false},
                         {"mlp_bias", false},
                         {"max_position_embeddings", n(m.seq_len)}};
  if (m.kv_heads > 0) spec["num_key_value_heads"] = n(m.kv_heads);
  if (m.head_dim > 0 && m.kv_lora <= 0) spec["head_dim"] = n(m.head_dim);
  if (m.experts > 0 || m.kv_lora > 0)
    fail("the memory of experts and of latent attention is not simulated for a file of layouts");
  return model_from_spec(spec, "layouts", "model");
}

// Equal rows are simulated once.
class MemoryOfRows {
 public:
  void set(Planned& p, const DeviceSpec& device) {
    const auto& l = p.run.layout;
    const auto& m = p.run.model;
    const auto key = fmt::format(
        "{},{},{},{},{},{},{},{},{}:{},{},{},{},{},{},{},{},{},{},{},{},{}", m.layers, m.hidden,
        m.heads, m.kv_heads, m.ffn, m.vocab, m.seq_len, m.gated, m.tied, l.dp, l.zero, l.tp, l.sp,
        l.pp, l.vpp, l.cp, l.ep, l.micro_batch, std::min(l.micro_batches, 2 * l.pp),
        static_cast<int>(l.recompute), l.flash, m.experts);
    auto& known = known_[key];
    if (!known.peak && known.fault.empty()) {
      try {
        known.peak = plan::trained_peak(model_of(m), l, static_cast<std::uint64_t>(m.seq_len));
      } catch (const Error& error) {
        known.fault = error.what();
      }
    }
    p.peak = known.peak;
    p.no_memory = known.fault;
    if (p.peak && device.memory) p.fits = *p.peak <= memory_budget(device).bytes;
  }

 private:
  struct Known {
    std::optional<Count> peak;
    std::string fault;
  };
  std::map<std::string, Known> known_;
};

}  // namespace

std::vector<Planned> planned_rows(const std::string& file, bool with_memory) {
  constexpr std::size_t kLargestFile = std::size_t{64} << 20;
  const auto table = parse_csv(read_text(file, kLargestFile), file);
  const auto all_devices = devices();
  MemoryOfRows memory;
  std::vector<Planned> result;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    auto& p = result.emplace_back();
    const auto id = table.column("id");
    if (id < table.header.size()) p.run.id = table.rows[row][id];
    try {
      p.run = plan::planned_run(table, row);
      const auto* device = find_device(p.run.device);
      if (device == nullptr)
        fail("gpu: unknown device '{}'; `vitals devices` shows the known ones", p.run.device);
      p.work = plan::step_work(p.run.model, p.run.layout, device->machine, device->name,
                               prices::built_in());
      p.factors = &plan::factors_of(plan::built_in_factors(), p.run.layout.framework);
      p.time = p.factors->step_time(p.work, device->name);
      if (with_memory) memory.set(p, *device);
    } catch (const Error& error) {
      p.error = fmt::format("line {}: {}", table.lines[row], error.what());
    }
  }
  return result;
}

namespace {

std::string bytes_text(const std::optional<Count>& bytes) {
  return bytes ? fmt::format("{}", *bytes) : std::string();
}
std::string fits_text(const std::optional<bool>& fits) {
  return !fits ? "" : *fits ? "true" : "false";
}

}  // namespace

Table plan_numbers(const std::vector<Planned>& all) {
  Table table{{{"id"},
               {"step_ms"},
               {"low_ms"},
               {"high_ms"},
               {"tokens_per_s_per_gpu"},
               {"peak_bytes"},
               {"last_stage_peak_bytes"},
               {"fits"},
               {"error"}},
              {},
              {}};
  for (const auto& p : all) {
    if (!p.error.empty()) {
      table.rows.push_back({p.run.id, "", "", "", "", "", "", "", p.error});
      continue;
    }
    const bool one_stage = p.run.layout.pp <= 1;
    table.rows.push_back({p.run.id, fmt::format("{:.3f}", p.step_ms()),
                          fmt::format("{:.3f}", p.step_ms() * p.factors->low),
                          fmt::format("{:.3f}", p.step_ms() * p.factors->high),
                          fmt::format("{:.2f}", p.tokens_per_s_per_gpu()), bytes_text(p.peak),
                          one_stage ? bytes_text(p.peak) : "", fits_text(p.fits), ""});
  }
  return table;
}

nlohmann::ordered_json layout_json(const Planned& p) {
  if (!p.error.empty()) return {{"id", p.run.id}, {"error", p.error}};
  const auto& l = p.run.layout;
  const auto n = [](double x) { return static_cast<std::uint64_t>(x); };
  const auto& t = p.time;
  nlohmann::ordered_json json = {
      {"id", p.run.id},
      {"model", p.run.model.name},
      {"gpu", p.run.device},
      {"gpus", n(l.gpus)},
      {"dp", n(l.dp)},
      {"zero", l.zero},
      {"tp", n(l.tp)},
      {"sp", l.sp ? 1 : 0},
      {"pp", n(l.pp)},
      {"vpp", n(l.vpp)},
      {"cp", n(l.cp)},
      {"ep", n(l.ep)},
      {"fsdp", l.zero == 3 ? n(l.dp) : 0},
      {"recompute", l.recompute == plan::Recompute::full        ? "full"
                    : l.recompute == plan::Recompute::selective ? "selective"
                                                                : "none"},
      {"micro_batch", n(l.micro_batch)},
      {"micro_batches", n(l.micro_batches)},
      {"step_ms", p.step_ms()},
      {"range", {p.step_ms() * p.factors->low, p.step_ms() * p.factors->high}},
      {"tokens_per_s_per_gpu", p.tokens_per_s_per_gpu()},
      {"mfu", p.mfu(find_device(p.run.device)->machine)},
      {"peak_bytes", nullptr},
      {"fits", nullptr},
      {"parts_ms",
       {{"products", 1e3 * t.product},
        {"attention", 1e3 * t.attention},
        {"elementwise", 1e3 * t.elementwise},
        {"experts", 1e3 * t.experts},
        {"tensor_parallel", 1e3 * t.tp},
        {"expert_parallel", 1e3 * t.ep},
        {"pipeline", 1e3 * t.pp},
        {"data_parallel", 1e3 * t.dp},
        {"bubble", 1e3 * t.bubble},
        {"optimizer", 1e3 * t.optimizer},
        {"host", 1e3 * t.host},
        {"stragglers", 1e3 * t.stragglers}}}};
  if (p.peak) json["peak_bytes"] = p.peak->value();
  if (p.fits) json["fits"] = *p.fits;
  auto notes = nlohmann::ordered_json::array();
  if (p.factors->framework.empty())
    notes.push_back(
        fmt::format("no run of '{}' was measured: the factors of all frameworks", l.framework));
  if (!p.no_memory.empty()) notes.push_back(p.no_memory);
  json["notes"] = std::move(notes);
  return json;
}

std::string layout_text(const plan::Layout& l) {
  auto text = fmt::format("dp {} zero {} tp {} pp {}", l.dp, l.zero, l.tp, l.pp);
  if (l.vpp > 1) text += fmt::format(" x {}", l.vpp);
  if (l.cp > 1) text += fmt::format(" cp {}", l.cp);
  if (l.ep > 1) text += fmt::format(" ep {}", l.ep);
  text += fmt::format(" mb {} x {}", l.micro_batch, l.micro_batches);
  if (l.recompute == plan::Recompute::full) text += " recompute";
  if (l.recompute == plan::Recompute::selective) text += " selective";
  return text;
}

std::string plan_page(const std::vector<Planned>& all, const OutputOptions& output) {
  Table table{{{"id"},
               {"gpus", true},
               {"layout"},
               {"step ms", true},
               {"range", true},
               {"tokens/s/GPU", true},
               {"memory", true},
               {"fits"}},
              {},
              {"range: 80 % of published runs of models that the fit did not see."}};
  for (const auto& p : all) {
    if (!p.error.empty()) {
      table.rows.push_back({p.run.id, "", p.error, "", "", "", "", ""});
      continue;
    }
    const auto& l = p.run.layout;
    table.rows.push_back({p.run.id, fmt::format("{} x {}", l.gpus, p.run.device), layout_text(l),
                          fmt::format("{:.0f}", p.step_ms()),
                          fmt::format("{:.0f} - {:.0f}", p.step_ms() * p.factors->low,
                                      p.step_ms() * p.factors->high),
                          fmt::format("{:.0f}", p.tokens_per_s_per_gpu()),
                          p.peak ? binary_bytes(*p.peak) : "-",
                          !p.fits   ? "-"
                          : *p.fits ? "yes"
                                    : "no"});
  }
  return render(table, output);
}

}  // namespace vitals::cli
