#include "command.h"
#include "core/csv.h"
#include "core/error.h"
#include "device_option.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/plan_file.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"
#include "plan/layout_table.h"
#include "plan/trained_memory.h"
#include "plan_devices.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

namespace vitals::cli {
namespace {

using plan::PlannedRun;

struct PlanArguments {
  ModelOptions model;
  std::string gpus;  // "64xh100" or "8x8xh100"
  std::string precision = "bf16";
  std::string framework = "Megatron-LM";
  std::uint64_t global_batch = 0;  // samples; 0: some 4 M tokens
  std::size_t top = 10;
  std::string layouts;
  bool no_memory = false;
  DeviceTableOptions devices;
  OutputOptions output;
};

// A row of the file, and what is predicted for it, or why it cannot be.
struct Planned {
  PlannedRun run;
  plan::StepWork work;
  plan::StepTime time;
  const plan::FrameworkFactors* factors = nullptr;
  std::optional<Count> peak;
  std::string no_memory;  // why there is none
  std::optional<bool> fits;
  std::string error;

  [[nodiscard]] double step_ms() const { return 1e3 * time.seconds(); }
  [[nodiscard]] double mfu(const Machine& machine) const {
    const auto rate = machine.*prices::find_format("bf16")->peak;
    return work.flops / time.seconds() / rate.value_or(1e300);
  }
  [[nodiscard]] double tokens_per_s_per_gpu() const {
    const auto& l = run.layout;
    return l.micro_batch * l.micro_batches * l.dp * run.model.seq_len / l.gpus / time.seconds();
  }
};

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

std::vector<Planned> planned(const PlanArguments& o) {
  constexpr std::size_t kLargestFile = std::size_t{64} << 20;
  const auto table = parse_csv(read_text(o.layouts, kLargestFile), o.layouts);
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
      if (!o.no_memory) memory.set(p, *device);
    } catch (const Error& error) {
      p.error = fmt::format("line {}: {}", table.lines[row], error.what());
    }
  }
  return result;
}

std::string bytes_text(const std::optional<Count>& bytes) {
  return bytes ? fmt::format("{}", *bytes) : std::string();
}
std::string fits_text(const std::optional<bool>& fits) {
  return !fits ? "" : *fits ? "true" : "false";
}

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

std::string page(const std::vector<Planned>& all, const PlanArguments& o) {
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
    table.rows.push_back({p.run.id, fmt::format("{} x {}", l.gpus, p.run.device),
                          fmt::format("dp {} tp {} pp {} mb {} x {}", l.dp, l.tp, l.pp,
                                      l.micro_batch, l.micro_batches),
                          fmt::format("{:.0f}", p.step_ms()),
                          fmt::format("{:.0f} - {:.0f}", p.step_ms() * p.factors->low,
                                      p.step_ms() * p.factors->high),
                          fmt::format("{:.0f}", p.tokens_per_s_per_gpu()),
                          p.peak ? binary_bytes(*p.peak) : "-",
                          !p.fits   ? "-"
                          : *p.fits ? "yes"
                                    : "no"});
  }
  return render(table, o.output);
}

// --- the search over layouts of one model

struct Cluster {
  double nodes = 1;
  double of_node = 8;
  const DeviceSpec* device = nullptr;
};

// "64xh100": nodes of 8; "8x4xgb200": nodes x GPUs.
Cluster cluster_of(const std::string& text) {
  std::vector<double> counts;
  std::size_t at = 0;
  for (;;) {
    const auto x = text.find('x', at);
    if (x == std::string::npos) break;
    std::string error;
    const auto n = parse_count(text.substr(at, x - at), {1, 1 << 20}, error);
    if (!n) break;
    counts.push_back(static_cast<double>(*n));
    at = x + 1;
  }
  Cluster c;
  if (counts.empty() || counts.size() > 2)
    fail(
        "--gpus: expected a count and a device like 64xh100, or nodes too, like 8x8xh100; got '{}'",
        text);
  DeviceChoice choice;
  choice.name = text.substr(at);
  c.device = find_device(choice.name);
  if (c.device == nullptr)
    fail("--gpus: unknown device '{}'; `vitals devices` shows the known ones", choice.name);
  if (counts.size() == 2) {
    c.nodes = counts[0];
    c.of_node = counts[1];
  } else {
    c.of_node = std::min(8.0, counts[0]);
    c.nodes = counts[0] / c.of_node;
    if (c.nodes != std::floor(c.nodes))
      fail("--gpus: {} GPUs are no whole nodes of 8; state nodes x GPUs", counts[0]);
  }
  return c;
}

// The sizes of a decoder, from its resolved spec.
plan::TrainedModel sizes_of(const Model& model, std::optional<std::uint64_t> seq_len) {
  const nlohmann::json spec = spec_of(model);
  if (!spec.contains("num_hidden_layers") || !spec.contains("vocab_size"))
    fail("{}: plan is for decoder-only language models", model.name);
  const auto number = [&](const char* key, double otherwise) {
    const auto field = spec.find(key);
    return field != spec.end() && field->is_number() ? field->get<double>() : otherwise;
  };
  plan::TrainedModel m;
  m.name = model.name;
  m.layers = number("num_hidden_layers", 0);
  m.hidden = number("hidden_size", 0);
  m.heads = number("num_attention_heads", 0);
  m.kv_heads = number("num_key_value_heads", m.heads);
  m.head_dim = number("head_dim", m.hidden / m.heads);
  m.ffn = number("intermediate_size", 4 * m.hidden);
  m.gated = spec.value("mlp_gated", false);
  m.vocab = number("vocab_size", 0);
  m.tied = spec.value("tie_word_embeddings", true);
  m.experts = number("num_experts", 0);
  m.topk = number("num_experts_per_tok", 1);
  m.moe_ffn = number("moe_intermediate_size", m.ffn);
  m.shared_ffn = number("shared_expert_intermediate_size", 0);
  if (spec.contains("dense_layers"))
    m.dense_layers = static_cast<double>(spec["dense_layers"].size());
  m.kv_lora = number("kv_lora_rank", 0);
  if (m.kv_lora > 0) {
    m.q_lora = number("q_lora_rank", 0);
    m.nope_dim = number("qk_nope_head_dim", 128);
    m.rope_dim = number("qk_rope_head_dim", 64);
    m.v_dim = number("v_head_dim", 128);
  }
  m.seq_len = seq_len ? static_cast<double>(*seq_len)
                      : std::min(8192.0, number("max_position_embeddings", 4096));
  return m;
}

struct Search {
  std::vector<Planned> best;
  std::size_t tried = 0;
  std::map<std::string, std::size_t> refused;
};

// Every layout whose degrees divide the model and the GPUs, by step time.
std::vector<Planned> timed_layouts(const PlanArguments& o, const plan::TrainedModel& model,
                                   const Cluster& cluster, Search& search) {
  const double gpus = cluster.nodes * cluster.of_node;
  const double global = o.global_batch > 0 ? static_cast<double>(o.global_batch)
                                           : std::max(gpus, std::round(4194304 / model.seq_len));
  const auto& factors = plan::factors_of(plan::built_in_factors(), o.framework);
  std::vector<Planned> all;
  for (double tp = 1; tp <= std::min(cluster.of_node, gpus); tp *= 2)
    for (double pp = 1; tp * pp <= gpus && pp <= model.layers; pp *= 2)
      for (double ep = 1; ep <= std::max(1.0, model.experts); ep *= 2)
        for (double micro = 1; micro <= 8; micro *= 2)
          for (const unsigned zero : {1U, 3U})
            for (const auto recompute : {plan::Recompute::none, plan::Recompute::full}) {
              const double dp = gpus / tp / pp;
              ++search.tried;
              const auto refuse = [&](const char* why) { ++search.refused[why]; };
              if (dp != std::floor(dp)) {
                refuse("GPUs do not divide by tp x pp");
                continue;
              }
              if (std::fmod(global, dp * micro) != 0) {
                refuse("the batch does not divide by dp x micro-batch");
                continue;
              }
              if (ep > dp || std::fmod(dp, ep) != 0) {
                refuse("dp does not divide by ep");
                continue;
              }
              if (zero == 3 && pp > 1) {
                refuse("ZeRO stage 3 with pipeline stages");
                continue;
              }
              Planned p;
              p.run.id = fmt::format("{}", search.tried);
              p.run.device = cluster.device->name;
              p.run.model = model;
              auto& l = p.run.layout;
              l.gpus = gpus;
              l.gpus_per_node = l.domain = cluster.of_node;
              l.tp = tp;
              l.sp = tp > 1;
              l.pp = pp;
              l.ep = ep;
              l.dp = dp;
              l.zero = zero;
              l.micro_batch = micro;
              l.micro_batches = global / (dp * micro);
              l.recompute = recompute;
              l.precision = o.precision;
              l.framework = o.framework;
              constexpr double kNetwork = 50e9;  // 400 Gb/s a GPU
              l.network = kNetwork;
              try {
                p.work = plan::step_work(model, l, cluster.device->machine, p.run.device,
                                         prices::built_in());
              } catch (const Error& error) {
                refuse("heads, layers or experts do not divide");
                continue;
              }
              p.factors = &factors;
              p.time = factors.step_time(p.work, p.run.device);
              all.push_back(std::move(p));
            }
  std::stable_sort(all.begin(), all.end(), [](const Planned& a, const Planned& b) {
    return a.time.seconds() < b.time.seconds();
  });
  return all;
}

// Memory is simulated in the order of step time, until enough fit.
Search searched(const PlanArguments& o) {
  Search search;
  const auto model = o.model.load();
  const auto cluster = cluster_of(o.gpus);
  const auto sizes = sizes_of(model, o.model.seq_len);
  constexpr std::size_t kSimulated = 60;
  std::size_t simulated = 0;
  for (auto& p : timed_layouts(o, sizes, cluster, search)) {
    if (search.best.size() == o.top) break;
    if (!o.no_memory && simulated < kSimulated) {
      ++simulated;
      try {
        p.peak = plan::trained_peak(model, p.run.layout, static_cast<std::uint64_t>(sizes.seq_len));
        if (cluster.device->memory) p.fits = *p.peak <= memory_budget(*cluster.device).bytes;
      } catch (const Error& error) {
        p.no_memory = error.what();
      }
    }
    if (p.fits == false) {
      ++search.refused["does not fit"];
      continue;
    }
    search.best.push_back(std::move(p));
  }
  return search;
}

nlohmann::ordered_json search_json(const PlanArguments& o, const Search& search) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& p : search.best) rows.push_back(layout_json(p));
  const auto cluster = cluster_of(o.gpus);
  return {{"schema_version", 1},
          {"model", o.model.load().name},
          {"gpus", static_cast<std::uint64_t>(cluster.nodes * cluster.of_node)},
          {"gpu", cluster.device->name},
          {"layouts", std::move(rows)},
          {"tried", search.tried},
          {"refused", search.refused},
          {"notes",
           {"400 Gb/s a GPU to other nodes; flash attention",
            fmt::format("the factors of {}", o.framework)}}};
}

std::string search_page(const PlanArguments& o, const Search& search) {
  auto text = page(search.best, o);
  text += fmt::format("{} layouts tried.", search.tried);
  for (const auto& [why, count] : search.refused) text += fmt::format(" {}: {}.", why, count);
  return text + " 400 Gb/s a GPU to other nodes is assumed.\n";
}

std::string check_plan(const PlanArguments& o, const Given& given) {
  if (o.layouts.empty() == o.model.model.empty())
    return o.layouts.empty() ? "give a MODEL, or --layouts FILE"
                             : "--layouts states the models itself: no MODEL";
  const bool one_device = o.layouts.empty() && o.gpus.empty();
  for (const char* name :
       {"--mode", "--device", "--device-file", "--price", "--input-len", "--output-len"})
    if (given.has(name) && !one_device)
      return fmt::format("{} chooses one device: leave out {}", name,
                         o.gpus.empty() ? "--layouts" : "--gpus");
  for (const char* name : {"--global-batch", "--precision", "--framework", "--top", "--no-memory"})
    if (given.has(name) && one_device)
      return fmt::format("{} is for many GPUs: add --gpus, like 64xh100", name);
  return one_device ? device_table_fault(o.devices) : "";
}

}  // namespace

Command plan_command() {
  auto o = std::make_shared<PlanArguments>();
  Command c{"plan", "Which device, or which layout on many GPUs, by speed, memory and price"};
  add_model_options(c, o->model, {.batch = false});
  for (auto& option : c.options)
    if (option.positional()) option.required = false;
  add_device_table_options(c, o->devices);
  c.group = "Many GPUs";
  c.text("--gpus", o->gpus, "NxDEVICE", "GPUs to train on: 64xh100, or nodes x GPUs: 8x4xgb200");
  c.count("--global-batch", o->global_batch, "Samples of a step; else some 4 M tokens");
  c.choice("--precision", o->precision, {"bf16", "fp8", "mxfp8", "nvfp4"}, "Type of the products")
      .initial = "bf16";
  c.text("--framework", o->framework, "NAME", "Whose runs the factors are from").initial =
      "Megatron-LM";
  c.count("--top", o->top, "Layouts to show").initial = "10";
  c.group = "Options";
  auto& layouts = c.text("--layouts", o->layouts, "FILE",
                         "A CSV file, a training run a row; docs/plan.md lists the columns");
  layouts.reads = itself;
  c.flag("--no-memory", o->no_memory, "Step times alone");
  add_output_options(c, o->output, false);
  add_details(c, o->output);
  c.examples = {"vitals plan vit_base_patch16_224",
                "vitals plan llama-3-8b --mode serve --price h100=2.50 --price l40s=0.90",
                "vitals plan llama-3-8b --gpus 64xh100 --seq-len 8192",
                "vitals plan --layouts runs.csv --format csv"};
  c.check = [o](const Given& given) { return check_plan(*o, given); };
  c.run = [o] {
    if (o->layouts.empty() && o->gpus.empty()) return plan_devices(o->model, o->devices, o->output);
    if (o->layouts.empty()) {
      const auto search = searched(*o);
      deliver(written({.json = [&] { return search_json(*o, search); },
                       .numbers = [&] { return plan_numbers(search.best); },
                       .page = [&] { return search_page(*o, search); }},
                      o->output),
              o->output);
      return;
    }
    const auto all = planned(*o);
    deliver(written({.json =
                         [&] {
                           auto rows = nlohmann::ordered_json::array();
                           for (const auto& p : all) rows.push_back(layout_json(p));
                           return nlohmann::ordered_json{{"schema_version", 1},
                                                         {"layouts", std::move(rows)}};
                         },
                     .numbers = [&] { return plan_numbers(all); },
                     .page = [&] { return page(all, *o); }},
                    o->output),
            o->output);
  };
  return c;
}

}  // namespace vitals::cli
