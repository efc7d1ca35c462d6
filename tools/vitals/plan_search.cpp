#include "plan_search.h"

#include "core/error.h"
#include "core/suggest.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "plan/trained_memory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals::cli {
namespace {

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

double number_of(const std::string& text, const std::string& place) {
  std::string error;
  const auto n = parse_count(text, {1, 1 << 20}, error);
  if (!n) fail("{}: {}", place, error);
  return static_cast<double>(*n);
}

// "dp=8,tp=8,pp=1,recompute=full": degrees that are not stated are 1.
plan::Layout stated_layout(const std::string& text) {
  const std::map<std::string, double plan::Layout::*> degrees = {
      {"dp", &plan::Layout::dp},
      {"tp", &plan::Layout::tp},
      {"pp", &plan::Layout::pp},
      {"vpp", &plan::Layout::vpp},
      {"cp", &plan::Layout::cp},
      {"ep", &plan::Layout::ep},
      {"micro_batch", &plan::Layout::micro_batch},
      {"micro_batches", &plan::Layout::micro_batches}};
  const std::map<std::string, plan::Recompute> recomputes = {
      {"none", plan::Recompute::none},
      {"selective", plan::Recompute::selective},
      {"full", plan::Recompute::full}};
  plan::Layout l;
  for (const auto& part : split_commas(text)) {
    const auto equals = part.find('=');
    const auto name = part.substr(0, equals);
    const auto value = equals == std::string::npos ? std::string() : part.substr(equals + 1);
    const auto place = "--layout: " + name;
    if (const auto degree = degrees.find(name); degree != degrees.end()) {
      l.*degree->second = number_of(value, place);
    } else if (name == "recompute") {
      if (!recomputes.contains(value))
        fail("{}: '{}' is none of none, selective, full", place, value);
      l.recompute = recomputes.at(value);
    } else if (name == "zero" || name == "sp") {
      if (value.size() != 1 || value[0] < '0' || value[0] > (name == "sp" ? '1' : '3'))
        fail("{}: '{}' is no whole number from 0 to {}", place, value, name == "sp" ? 1 : 3);
      if (name == "sp")
        l.sp = value == "1";
      else
        l.zero = static_cast<unsigned>(value[0] - '0');
    } else {
      std::vector<std::string> known = {"recompute", "zero", "sp"};
      for (const auto& [key, member] : degrees) known.push_back(key);
      fail("--layout: unknown degree '{}'{} (known: {})", name, did_you_mean(name, known),
           fmt::join(known, ", "));
    }
  }
  return l;
}

plan::Layout read_layout(const std::string& from, double layers) {
  const auto equals = from.find('=');
  if (equals == std::string::npos)
    fail("--from: expected LAUNCHER=FILE like torchtitan=run.toml, got '{}'", from);
  const auto file = from.substr(equals + 1);
  try {
    return plan::launched_run(from.substr(0, equals), read_text(file), layers).layout;
  } catch (const Error& error) {
    throw error.within(file);
  }
}

// What a layout does not decide.
void set_surroundings(plan::Layout& l, const Cluster& cluster, const SearchOptions& o) {
  constexpr double kNetwork = 50e9;  // 400 Gb/s a GPU
  l.gpus = cluster.nodes * cluster.of_node;
  l.gpus_per_node = l.domain = cluster.of_node;
  l.precision = o.precision;
  l.framework = o.framework;
  l.network = kNetwork;
}

// Degrees that divide the model and the GPUs, in every combination.
class Layouts {
 public:
  Layouts(const SearchOptions& o, const plan::TrainedModel& model, const Cluster& cluster,
          Search& search)
      : o_(o), model_(model), cluster_(cluster), search_(search) {}

  std::vector<plan::Layout> all() {
    const double gpus = cluster_.nodes * cluster_.of_node;
    for (double tp = 1; tp <= std::min(cluster_.of_node, gpus); tp *= 2)
      for (double pp = 1; tp * pp <= gpus && pp <= model_.layers; pp *= 2)
        for (double ep = 1; ep <= std::max(1.0, model_.experts); ep *= 2) {
          plan::Layout l;
          l.tp = tp;
          l.pp = pp;
          l.ep = ep;
          l.dp = gpus / tp / pp;
          // Some launchers cannot cut the residual stream beside their tensor parallelism.
          l.sp = tp > 1 && o_.emit != "deepspeed" && o_.emit != "accelerate";
          add(l);
        }
    return std::move(layouts_);
  }

 private:
  void add(plan::Layout l) {
    const double gpus = cluster_.nodes * cluster_.of_node;
    const double global = o_.global_batch > 0
                              ? static_cast<double>(o_.global_batch)
                              : std::max(gpus, std::round(4194304 / model_.seq_len));
    for (double micro = 1; micro <= 8; micro *= 2)
      for (const unsigned zero : {1U, 3U})
        for (const auto recompute : {plan::Recompute::none, plan::Recompute::full}) {
          ++search_.tried;
          l.micro_batch = micro;
          l.zero = zero;
          l.recompute = recompute;
          l.micro_batches = global / (l.dp * micro);
          if (const auto why = fault(l, global); !why.empty())
            ++search_.refused[why];
          else
            layouts_.push_back(l);
        }
  }

  [[nodiscard]] std::string fault(const plan::Layout& l, double global) const {
    if (l.dp != std::floor(l.dp)) return "GPUs do not divide by tp x pp";
    if (std::fmod(global, l.dp * l.micro_batch) != 0)
      return "the batch does not divide by dp x micro-batch";
    if (l.ep > l.dp || std::fmod(l.dp, l.ep) != 0) return "dp does not divide by ep";
    if (l.zero == 3 && l.pp > 1) return "ZeRO stage 3 with pipeline stages";
    if (o_.emit.empty()) return "";
    const auto missing = plan::unexpressed(o_.emit, {l, model_.seq_len, model_.layers});
    return missing.empty() ? "" : fmt::format("{}: {}", o_.emit, missing);
  }

  const SearchOptions& o_;
  const plan::TrainedModel& model_;
  const Cluster& cluster_;
  Search& search_;
  std::vector<plan::Layout> layouts_;
};

// The one that is stated, which must be that of all GPUs.
plan::Layout only_layout(const SearchOptions& o, const plan::TrainedModel& model,
                         const Cluster& cluster) {
  const auto l = o.from.empty() ? stated_layout(o.layout) : read_layout(o.from, model.layers);
  const double degrees = l.dp * l.tp * l.pp * l.cp;
  const double gpus = cluster.nodes * cluster.of_node;
  if (degrees != gpus)
    fail("{}: dp x tp x pp x cp is {}, but --gpus has {}", o.from.empty() ? "--layout" : o.from,
         degrees, gpus);
  return l;
}

// Priced ones, the fastest first. What cannot be priced is refused, or the fault of the one that
// was stated.
std::vector<Planned> timed(const std::vector<plan::Layout>& layouts, const SearchOptions& o,
                           const plan::TrainedModel& model, const Cluster& cluster,
                           Search& search) {
  const auto& factors = plan::factors_of(plan::built_in_factors(), o.framework);
  std::vector<Planned> all;
  for (const auto& layout : layouts) {
    Planned p;
    p.run.id = fmt::format("{}", all.size() + 1);
    p.run.device = cluster.device->name;
    p.run.model = model;
    p.run.layout = layout;
    set_surroundings(p.run.layout, cluster, o);
    try {
      p.work = plan::step_work(model, p.run.layout, cluster.device->machine, p.run.device,
                               prices::built_in());
    } catch (const Error&) {
      if (layouts.size() == 1) throw;
      ++search.refused["heads, layers or experts do not divide"];
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

}  // namespace

Search searched(const Model& model, std::optional<std::uint64_t> seq_len, const SearchOptions& o) {
  Search search;
  const auto cluster = cluster_of(o.gpus);
  const auto sizes = sizes_of(model, seq_len);
  search.model = model.name;
  search.device = cluster.device->name;
  search.gpus = static_cast<std::uint64_t>(cluster.nodes * cluster.of_node);
  const bool stated = !o.layout.empty() || !o.from.empty();
  const auto layouts = stated ? std::vector{only_layout(o, sizes, cluster)}
                              : Layouts(o, sizes, cluster, search).all();
  if (stated) search.tried = 1;
  constexpr std::size_t kSimulated = 60;
  std::size_t simulated = 0;
  for (auto& p : timed(layouts, o, sizes, cluster, search)) {
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
    if (p.fits == false && !stated) {
      ++search.refused["does not fit"];
      continue;
    }
    search.best.push_back(std::move(p));
  }
  return search;
}

nlohmann::ordered_json search_json(const Search& search, const SearchOptions& o) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& p : search.best) rows.push_back(layout_json(p));
  return {{"schema_version", 1},
          {"model", search.model},
          {"gpus", search.gpus},
          {"gpu", search.device},
          {"layouts", std::move(rows)},
          {"tried", search.tried},
          {"refused", search.refused},
          {"notes",
           {"400 Gb/s a GPU to other nodes; flash attention",
            fmt::format("the factors of {}", o.framework)}}};
}

std::string search_page(const Search& search, const OutputOptions& output) {
  std::string text;
  if (!search.best.empty()) {
    const auto& best = search.best.front();
    text = fmt::format("{} on {} x {}: {:.0f} ms a step, {:.0f} tokens/s a GPU, with {}\n\n",
                       search.model, search.gpus, search.device, best.step_ms(),
                       best.tokens_per_s_per_gpu(), layout_text(best.run.layout));
  }
  text += plan_page(search.best, output);
  text += fmt::format("{} {} tried.", search.tried, search.tried == 1 ? "layout" : "layouts");
  for (const auto& [why, count] : search.refused) text += fmt::format(" {}: {}.", why, count);
  return text + " 400 Gb/s a GPU to other nodes is assumed.\n";
}

std::string emitted(const Search& search, const SearchOptions& o) {
  if (search.best.empty()) {
    std::string why;
    for (const auto& [reason, count] : search.refused)
      why += fmt::format("{}{} ({})", why.empty() ? "" : "; ", reason, count);
    fail("--emit {}: none of {} layouts is left: {}", o.emit, search.tried, why);
  }
  const auto& run = search.best.front().run;
  return plan::launcher_config(o.emit, {run.layout, run.model.seq_len, run.model.layers});
}

void add_search_options(Command& c, SearchOptions& o) {
  c.group = "Many GPUs";
  c.text("--gpus", o.gpus, "NxDEVICE", "GPUs to train on: 64xh100, or nodes x GPUs: 8x4xgb200");
  c.count("--global-batch", o.global_batch, "Samples of a step; else some 4 M tokens");
  c.choice("--precision", o.precision, {"bf16", "fp8", "mxfp8", "nvfp4"}, "Type of the products")
      .initial = "bf16";
  c.text("--framework", o.framework, "NAME", "Whose runs the factors are from").initial =
      "Megatron-LM";
  c.count("--top", o.top, "Layouts to show").initial = "10";
  c.text("--layout", o.layout, "DEGREES",
         "Price this one: dp=8,tp=8,pp=1,micro_batch=1,micro_batches=8,zero=1,recompute=full");
  auto& from = c.text("--from", o.from, "LAUNCHER=FILE", "Price the one that a file states");
  from.reads = [](const std::string& text) {
    const auto equals = text.find('=');
    return equals == std::string::npos ? std::vector<std::string>()
                                       : std::vector{text.substr(equals + 1)};
  };
  c.choice("--emit", o.emit, plan::launchers(),
           "Write what this launcher is told of the best layout, and nothing else");
}

}  // namespace vitals::cli
