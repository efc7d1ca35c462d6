#include "plan_devices.h"

#include "core/csv.h"
#include "core/error.h"
#include "core/number.h"
#include "frontends/spec/json_text.h"
#include "latency.h"
#include "memory/batch_search.h"
#include "recipe_options.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace vitals::cli {
namespace {

constexpr std::uint64_t kMostStreams = 256;  // what servers take at once by default (vLLM)
constexpr std::uint64_t kMostSamples = 4096;
constexpr double kSecondsPerHour = 3600;
constexpr double kMillion = 1e6;

// A device and what it makes of the model.
struct Choice {
  DeviceSpec device;
  std::string precision;
  std::uint64_t largest = 0;  // samples of a step, or streams
  std::uint64_t batch = 0;    // at which the speed is
  double rate = 0;            // samples or tokens in a second
  double low = 0;
  double high = 0;
  std::string checked;
  std::optional<double> usd_per_hour;
  std::string error;  // why nothing can be said

  [[nodiscard]] bool fits() const { return error.empty() && largest > 0; }
  [[nodiscard]] std::optional<double> usd_per_million() const {
    if (!usd_per_hour || rate <= 0) return std::nullopt;
    return *usd_per_hour / kSecondsPerHour / rate * kMillion;
  }
};

bool serves(const DeviceTableOptions& o) { return o.mode == "serve"; }

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (auto& name : split_commas(text))
    if (!name.empty()) names.push_back(std::move(name));
  return names;
}

std::vector<DeviceSpec> chosen(const DeviceTableOptions& o) {
  std::vector<DeviceSpec> result;
  if (o.devices.empty()) {
    for (auto& device : known_devices(o.file))
      if (device.machine.kind == MachineKind::gpu && device.memory) result.push_back(device);
    return result;
  }
  for (const auto& name : split_names(o.devices)) {
    DeviceChoice choice;
    choice.name = name;
    choice.file = o.file;
    result.push_back(chosen_device(choice));
    if (!result.back().memory) fail("--device: {} states no memory", result.back().title);
  }
  return result;
}

void add_price(std::map<std::string, double>& prices, const std::string& name,
               const std::string& text, const std::string& place) {
  const auto usd = parse_number(text);
  if (!usd || *usd <= 0)
    fail("{}: '{}' is no price in US dollars an hour, like h100=2.50", place, text);
  const auto* device = find_device(name);
  prices[device != nullptr ? device->name : name] = *usd;
}

// By the device's name.
std::map<std::string, double> prices_of(const DeviceTableOptions& o) {
  std::map<std::string, double> prices;
  for (const auto& text : o.prices) {
    if (const auto equals = text.find('='); equals != std::string::npos) {
      add_price(prices, text.substr(0, equals), text.substr(equals + 1), "--price");
      continue;
    }
    const auto table = parse_csv(read_text(text), text);
    const auto name = table.column("name");
    const auto usd = table.column("usd");
    if (name >= table.header.size() || usd >= table.header.size())
      fail("{}: a price list has the columns name and usd (US dollars an hour)", text);
    for (std::size_t i = 0; i < table.rows.size(); ++i)
      add_price(prices, table.rows[i][name], table.rows[i][usd],
                fmt::format("{}: line {}", text, table.lines[i]));
  }
  return prices;
}

// As `vitals memory` has it where nothing else is asked for.
MemoryOptions default_memory(const Choice& choice, const std::string& mode) {
  Recipe recipe;
  recipe.mode = mode;
  recipe.precision = choice.precision;
  auto m = memory_options(recipe, eager::Device::cuda);
  m.allocator = has_caching_allocator(choice.device);
  m.composition = false;
  return m;
}

// Devices that run alike, and have the same memory, have the same answer.
void set_largest(const Model& model, const BuildOptions& build, const std::string& mode,
                 std::vector<Choice>& all) {
  std::map<std::pair<std::string, bool>, std::vector<Choice*>> alike;
  for (auto& choice : all)
    if (choice.error.empty())
      alike[{choice.precision, has_caching_allocator(choice.device)}].push_back(&choice);
  for (auto& [way, group] : alike) {
    FitQuestion question{[&model](const BuildOptions& b) { return model.build(b); },
                         build,
                         default_memory(*group.front(), mode),
                         {},
                         {}};
    std::map<std::uint64_t, std::uint64_t> largest;  // by budget: several devices have the same
    Count least;                                     // what one sample needs, once it is known
    for (auto* choice : group) {
      question.budget = memory_budget(choice->device).bytes;
      if (question.budget < least) continue;
      const auto [known, added] = largest.try_emplace(question.budget.value());
      if (added) {
        const auto fit = largest_batch(question);
        known->second = fit.batch;
        if (fit.batch == 0) least = fit.need;
      }
      choice->largest = known->second;
    }
  }
}

// How well the speed is known; the notes of the table say what the words mean.
std::string checked_text(const LatencyAnswer& a) {
  return a.calibrated ? fmt::format("runs, {:.1f} %", a.median_error) : "similar";
}

void set_speed(const Model& model, const BuildOptions& build, const DeviceTableOptions& o,
               Choice& choice) {
  choice.batch = std::min(choice.largest, kMostSamples);
  if (choice.batch == 0) return;
  LatencyOptions latency;
  latency.device.name = choice.device.name;
  latency.device.file = o.file;
  latency.mode = o.mode;
  latency.precision = choice.precision;
  auto at = build;
  at.batch = choice.batch;
  const auto a = predict_latency(model, latency, at, WithMemory::no);
  choice.rate = a.samples_per_s();
  choice.low = choice.rate * a.range.low;
  choice.high = choice.rate * a.range.high;
  choice.checked = checked_text(a);
}

void set_served(const Model& model, const DeviceTableOptions& o, Choice& choice) {
  auto serve = o.serve;
  serve.concurrency = kMostStreams;
  const auto rate = served_rate(model, serve, choice.device);
  choice.largest = choice.batch = rate.streams;
  choice.rate = rate.tokens_per_s;
  choice.low = rate.low;
  choice.high = rate.high;
  choice.checked = rate.measured ? "kernels" : "similar";
}

// Dear or slow ones last; what cannot be said behind what does not fit.
void sort(std::vector<Choice>& all) {
  const auto rank = [](const Choice& c) { return c.fits() ? 0 : c.error.empty() ? 1 : 2; };
  std::stable_sort(all.begin(), all.end(), [&](const Choice& a, const Choice& b) {
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    const auto usd_a = a.usd_per_million();
    const auto usd_b = b.usd_per_million();
    if (usd_a && usd_b) return *usd_a < *usd_b;
    if (usd_a || usd_b) return usd_a.has_value();
    return a.rate > b.rate;
  });
}

std::vector<Choice> choices(const Model& model, const ModelOptions& options,
                            const DeviceTableOptions& o) {
  const auto prices = prices_of(o);
  std::vector<Choice> all;
  for (auto& device : chosen(o)) {
    auto& c = all.emplace_back();
    Recipe recipe;
    recipe.mode = o.mode;
    c.precision = precision_of(recipe, model, &device);
    if (const auto price = prices.find(device.name); price != prices.end())
      c.usd_per_hour = price->second;
    c.device = std::move(device);
  }
  const auto each = [&](const auto& set) {
    for (auto& c : all) try {
        if (c.error.empty()) set(c);
      } catch (const Error& error) {
        c.error = error.what();
      }
  };
  if (serves(o)) {
    if (model.build({.seq_len = 1}).kv_caches.empty())
      fail("{}: --mode serve is for models that generate text; this one keeps no keys and values",
           model.name);
    each([&](Choice& c) { set_served(model, o, c); });
  } else {
    auto build = options.build_options();
    build.training = o.mode == "training";
    build.attention = AttentionKernel::fused;
    set_largest(model, build, o.mode, all);
    each([&](Choice& c) { set_speed(model, build, o, c); });
  }
  sort(all);
  return all;
}

const char* unit(const DeviceTableOptions& o) { return serves(o) ? "tokens/s" : "samples/s"; }

nlohmann::ordered_json choice_json(const Choice& c, const DeviceTableOptions& o) {
  nlohmann::ordered_json json = {{"device", c.device.name}, {"title", c.device.title}};
  if (!c.error.empty()) {
    json["error"] = c.error;
    return json;
  }
  json["memory_bytes"] = c.device.memory->value();
  json["fits"] = c.fits();
  json[serves(o) ? "largest_concurrency" : "largest_batch"] = c.largest;
  json["batch"] = c.batch;
  json["precision"] = c.precision;
  json[serves(o) ? "tokens_per_s" : "samples_per_s"] = c.fits() ? nlohmann::json(c.rate) : nullptr;
  json["range"] = c.fits() ? nlohmann::json({c.low, c.high}) : nlohmann::json(nullptr);
  json["checked"] = c.checked;
  if (c.usd_per_hour) json["usd_per_hour"] = *c.usd_per_hour;
  if (const auto usd = c.usd_per_million()) json["usd_per_million"] = *usd;
  return json;
}

std::vector<std::string> assumptions(const DeviceTableOptions& o) {
  if (serves(o))
    return {fmt::format("Streams of {} + {} tokens, at most {} at once; --quantize {}; 90 % of the "
                        "memory",
                        o.serve.input_len, o.serve.output_len, kMostStreams, o.serve.quantize),
            "Known by: kernels measured on the device, or on similar ones"};
  return {o.mode == "training" ? "Autocast, AdamW, fused attention, no checkpointing, one GPU"
                               : "One forward pass, fused attention, one GPU",
          "Known by: runs on the device (median error of models that the fit did not see), or on "
          "similar ones"};
}

std::string rate_text(double rate) {
  return rate >= 100 ? fmt::format("{:.0f}", rate) : fmt::format("{:.3g}", rate);
}

Table device_choice_table(const std::vector<Choice>& all, const DeviceTableOptions& o) {
  const bool priced = std::any_of(all.begin(), all.end(),
                                  [](const Choice& c) { return c.usd_per_hour.has_value(); });
  Table table{{{"device"},
               {"memory", true},
               {serves(o) ? "streams" : "batch", true},
               {unit(o), true},
               {"80 % range", true}},
              {},
              {}};
  if (priced) table.columns.push_back({serves(o) ? "$/M tokens" : "$/M samples", true});
  table.columns.push_back({"known by"});
  for (const auto& c : all) {
    std::vector<std::string> row = {
        c.device.name, fmt::format("{:.0f} GiB", c.device.memory->as_double() / 0x1p30)};
    if (!c.fits()) {
      row.insert(row.end(), {"-", "-", "-"});
    } else {
      row.push_back(std::to_string(c.largest));
      row.push_back(rate_text(c.rate));
      row.push_back(rate_text(c.low) + "-" + rate_text(c.high));
    }
    if (priced)
      row.push_back(c.usd_per_million() ? fmt::format("{:.3g}", *c.usd_per_million()) : "-");
    row.push_back(!c.error.empty() ? c.error : c.fits() ? c.checked : "does not fit");
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table device_choice_numbers(const std::vector<Choice>& all, const DeviceTableOptions& o) {
  Table table{{{"device"},
               {"memory_bytes"},
               {"fits"},
               {serves(o) ? "largest_concurrency" : "largest_batch"},
               {"batch"},
               {"precision"},
               {serves(o) ? "tokens_per_s" : "samples_per_s"},
               {"low"},
               {"high"},
               {"usd_per_hour"},
               {"usd_per_million"},
               {"checked"},
               {"error"}},
              {},
              {}};
  const auto n = [](double x) { return fmt::format("{:.6g}", x); };
  for (const auto& c : all)
    table.rows.push_back({c.device.name, fmt::format("{}", *c.device.memory),
                          c.fits() ? "true" : "false", std::to_string(c.largest),
                          std::to_string(c.batch), c.precision, n(c.rate), n(c.low), n(c.high),
                          c.usd_per_hour ? n(*c.usd_per_hour) : "",
                          c.usd_per_million() ? n(*c.usd_per_million()) : "", c.checked, c.error});
  return table;
}

// The first line: the answer.
std::string headline(const std::string& model, const std::vector<Choice>& all,
                     const DeviceTableOptions& o) {
  const auto& best = all.front();
  const auto fitting =
      std::count_if(all.begin(), all.end(), [](const Choice& c) { return c.fits(); });
  if (!best.fits())
    return fmt::format("{}, {}: fits on none of {} devices", model, o.mode, all.size());
  const auto usd = best.usd_per_million();
  return fmt::format(
      "{}, {}: fits on {} of {} devices; {} on the {}", model, o.mode, fitting, all.size(),
      usd ? fmt::format("cheapest, ${:.3g} a million {},", *usd, serves(o) ? "tokens" : "samples")
          : fmt::format("fastest, {} {},", rate_text(best.rate), unit(o)),
      best.device.title);
}

std::string device_page(const std::string& model, std::vector<Choice> all,
                        const DeviceTableOptions& o, const OutputOptions& output) {
  const auto title = headline(model, all, o);
  constexpr std::size_t kFirstScreen = 13;
  const auto count = all.size();
  const auto fitting = static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const Choice& c) { return c.fits(); }));
  const auto shown = fitting > 0 ? std::min(fitting, kFirstScreen) : kFirstScreen;
  if (!output.details && count > kFirstScreen) all.resize(shown);
  auto table = device_choice_table(all, o);
  table.notes = assumptions(o);
  for (auto& note : table.notes) note += ".";
  auto page = titled(title, table, output);
  if (count > all.size())
    page += more(output, fmt::format("the other {} devices", count - all.size()));
  return page;
}

}  // namespace

void add_device_table_options(Command& c, DeviceTableOptions& o) {
  c.group = "One device (without --gpus)";
  c.choice("--mode", o.mode, {"training", "inference", "serve"}, "What the device is for").initial =
      "training";
  c.text("--device", o.devices, "NAMES", "Devices to compare, with commas between (all)");
  auto& file = c.text("--device-file", o.file, "FILE", "Devices beside the built-in ones");
  file.reads = itself;
  c.texts("--price", o.prices, "NAME=USD",
          "US dollars an hour, or a CSV file with the columns name and usd (repeatable)");
  c.count("--input-len", o.serve.input_len, "Tokens of a prompt, to serve").initial = "1024";
  c.count("--output-len", o.serve.output_len, "Tokens of an answer").initial = "256";
  c.choice("--quantize", o.serve.quantize, serve_schemes(), "How served weights are stored")
      .initial = "none";
}

std::string device_table_fault(const DeviceTableOptions& o) {
  for (const auto& name : split_names(o.devices)) {
    DeviceChoice choice;
    choice.name = name;
    choice.file = o.file;
    if (auto fault = device_fault(choice); !fault.empty()) return fault;
  }
  return "";
}

void plan_devices(const ModelOptions& options, const DeviceTableOptions& o,
                  const OutputOptions& output) {
  const auto model = options.load();
  const auto all = choices(model, options, o);
  deliver(written({.json =
                       [&] {
                         auto rows = nlohmann::ordered_json::array();
                         for (const auto& c : all) rows.push_back(choice_json(c, o));
                         return nlohmann::ordered_json{{"schema_version", 1},
                                                       {"model", model.name},
                                                       {"mode", o.mode},
                                                       {"devices", std::move(rows)},
                                                       {"notes", assumptions(o)}};
                       },
                   .numbers = [&] { return device_choice_numbers(all, o); },
                   .page = [&] { return device_page(model.title(), all, o, output); }},
                  output),
          output);
}

}  // namespace vitals::cli
