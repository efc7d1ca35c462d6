#include "sweep_figures.h"

#include "core/error.h"
#include "core/suggest.h"
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "frontends/spec/spec.h"
#include "recipe_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>

namespace vitals::cli {
namespace {

struct FigureKind {
  const char* name;
  Unit unit;
  bool of_memory;
  bool on_device;
  bool more_is_better;
};

constexpr FigureKind kSweepFigures[] = {
    {"params", Unit::count, false, false, false},
    {"trainable_params", Unit::count, false, false, false},
    {"macs", Unit::count, false, false, false},
    {"flops", Unit::count, false, false, false},
    {"tokens", Unit::count, false, false, false},
    {"memory", Unit::bytes, true, false, false},
    {"weights", Unit::bytes, true, false, false},
    {"gradients", Unit::bytes, true, false, false},
    {"optimizer", Unit::bytes, true, false, false},
    {"activations", Unit::bytes, true, false, false},
    {"workspace", Unit::bytes, true, false, false},
    {"latency", Unit::seconds, false, true, false},
    {"throughput", Unit::count, false, true, true},
};

const FigureKind* figure_kind(const std::string& name) {
  for (const auto& kind : kSweepFigures)
    if (kind.name == name) return &kind;
  return nullptr;
}

SweepFigure figure_named(const std::string& name, const std::string& at) {
  SweepFigure figure;
  figure.name = name;
  const auto sign = name.find('@');
  figure.kind = name.substr(0, sign);
  if (sign != std::string::npos) figure.device = name.substr(sign + 1);
  const auto* kind = figure_kind(figure.kind);
  if (kind == nullptr) {
    std::vector<std::string> known;
    for (const auto& one : kSweepFigures)
      known.push_back(std::string(one.name) + (one.on_device ? "@DEVICE" : ""));
    fail("{}: there is no figure '{}'{}; there is {}", at, name, did_you_mean(figure.kind, known),
         fmt::join(known, ", "));
  }
  if (kind->on_device != (sign != std::string::npos))
    fail("{}: {}", at,
         kind->on_device
             ? fmt::format("'{}' needs a device: {}@rtx4090", name, kind->name)
             : fmt::format("'{}' is the same on every device: write {}", name, kind->name));
  if (kind->on_device) {
    DeviceChoice choice;
    choice.name = figure.device;
    if (const auto fault = device_fault(choice); !fault.empty()) fail("{}: {}", at, fault);
  }
  figure.unit = kind->unit;
  figure.more_is_better = kind->more_is_better;
  return figure;
}

// How a point is run. Its options are those of `memory` and `predict`, parsed by the same rules.
struct PointOptions {
  Recipe recipe;
  LatencyOptions latency;
  std::uint64_t batch = 1;
  std::uint64_t seq_len = 0;
  bool has_mode = false;
  Command command{"sweep", ""};

  PointOptions() {
    command.count("--batch", batch, "");
    command.count("--seq-len", seq_len, "");
    command.flag("--compiled", latency.compiled, "");
    command.flag("--channels-last", latency.channels_last, "");
    add_recipe_options(command, recipe);
  }
  PointOptions(const PointOptions&) = delete;  // the command stores into this one
  PointOptions& operator=(const PointOptions&) = delete;

  void set(const std::string& name, const std::string& json_text);
};

std::string option_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

std::string stored_value(const Option& option, const nlohmann::json& value) {
  if (option.value.empty()) {
    if (!value.is_boolean()) return "expected true or false, got " + value.dump();
    return value.get<bool>() ? option.store("") : "";
  }
  if (!value.is_string() && !value.is_number())
    return "expected a word or a number, got " + value.dump();
  const auto text = value.is_string() ? value.get<std::string>() : value.dump();
  if (!option.choices.empty() &&
      std::find(option.choices.begin(), option.choices.end(), text) == option.choices.end())
    return fmt::format("there is no '{}'{}; there is {}", text, did_you_mean(text, option.choices),
                       fmt::join(option.choices, ", "));
  return option.store(text);
}

void PointOptions::set(const std::string& name, const std::string& json_text) {
  const auto wanted = option_name(name);
  std::vector<std::string> known;
  for (const auto& option : command.options) {
    if (option.long_name() == wanted) {
      if (const auto fault = stored_value(option, nlohmann::json::parse(json_text)); !fault.empty())
        fail("{}", fault);
      has_mode = has_mode || wanted == "--mode";
      return;
    }
    known.push_back(option.long_name().substr(2));
  }
  fail("there is no option '{}'{}; there is {}", name, did_you_mean(name, known),
       fmt::join(known, ", "));
}

Model base_model(const std::string& json_text, const std::string& label, const std::string& at) {
  const auto json = nlohmann::json::parse(json_text);
  try {
    return json.is_string() ? load_model(json.get<std::string>())
                            : model_from_spec(json, "spec", label);
  } catch (const Error& error) {
    throw error.within(at);
  }
}

// Under the name of the field or of an alias; dotted keys reach inside.
void check_field(const Model& model, const std::string& key, const std::string& at) {
  const auto name = key.substr(0, key.find('.'));
  std::vector<std::string> known;
  for (const auto& field : model.architecture->fields) known.emplace_back(field.name);
  for (const auto& alias : model.architecture->field_aliases) known.emplace_back(alias.name);
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  fail("{}: {} has no field '{}'{}", at, model.name, name, did_you_mean(name, known));
}

std::string whole(Count count) { return std::to_string(count.value()); }

// What was computed of a point so far: each reading once, whatever asks for it.
class PointReadings {
 public:
  PointReadings(const Model& model, PointOptions& options) : model_(model), options_(options) {}

  std::string figure(const SweepFigure& f) {
    const auto* kind = figure_kind(f.kind);
    if (kind->on_device) {
      const auto& answer = on(f.device);
      return fmt::format(
          "{:.6g}", f.kind == "latency" ? answer.prediction.seconds() : answer.samples_per_s());
    }
    if (kind->of_memory) return whole(memory_part(f.kind));
    if (f.kind == "params") return whole(parameters(graph()).sum());
    if (f.kind == "trainable_params") return whole(trainable_parameters(graph()));
    if (f.kind == "tokens") return std::to_string(graph().num_tokens);
    const auto macs = macs_by_module(graph()).sum();
    return whole(f.kind == "macs" ? macs : macs * 2);
  }

 private:
  [[nodiscard]] BuildOptions plain_build() const {
    BuildOptions build;
    build.batch = options_.batch;
    build.seq_len = options_.seq_len;
    return build;
  }

  const Graph& graph() {
    if (!graph_) graph_ = model_.build(plain_build());
    return *graph_;
  }

  Count memory_part(const std::string& kind) {
    if (!memory_) memory_ = estimate();
    const auto& bytes = memory_->bytes;
    if (kind == "weights") return bytes.weights;
    if (kind == "gradients") return bytes.gradients;
    if (kind == "optimizer") return bytes.optimizer;
    if (kind == "activations") return bytes.activations;
    if (kind == "workspace") return bytes.workspace;
    return memory_->peak.bytes;
  }

  // As `vitals memory` answers without a device.
  MemoryEstimate estimate() {
    auto recipe = options_.recipe;
    if (const auto fault = recipe_fault(recipe); !fault.empty()) fail("{}", fault);
    recipe.precision = precision_of(recipe, model_, nullptr);
    auto build = plain_build();
    apply(recipe, build);
    const auto trace = prepared(model_.build(build), recipe);
    auto m = memory_options(recipe, eager::Device::cuda);
    m.composition = false;
    add_stored_weights(recipe, trace, m);
    return estimate_memory(trace, m);
  }

  const LatencyAnswer& on(const std::string& device) {
    const auto known = answers_.find(device);
    if (known != answers_.end()) return known->second;
    auto o = options_.latency;
    o.device.name = device;
    // Without a mode each figure has its own command's: memory trains, predict does not.
    if (options_.has_mode) o.mode = options_.recipe.mode;
    o.precision = options_.recipe.precision;
    return answers_.emplace(device, predict_latency(model_, o, plain_build(), WithMemory::no))
        .first->second;
  }

  const Model& model_;
  PointOptions& options_;
  std::optional<Graph> graph_;
  std::optional<MemoryEstimate> memory_;
  std::map<std::string, LatencyAnswer> answers_;
};

}  // namespace

SweepFigures::SweepFigures(SweepFile file, const SweepPlaces& places) : file_(std::move(file)) {
  const auto& sweep = file_.sweep;
  for (std::size_t i = 0; i < sweep.figures.size(); ++i)
    figures_.push_back(figure_named(sweep.figures[i], places.at(fmt::format("/figures/{}", i))));
  for (std::size_t i = 0; i < sweep.models.size(); ++i)
    models_.push_back(base_model(file_.bases[i], sweep.models[i], places.at("/base")));
  for (const auto& axis : sweep.axes) {
    const auto at = places.at((axis.option ? "/options/" : "/grid/") + axis.name);
    if (!axis.option) {
      for (const auto& model : models_) check_field(model, axis.name, at);
      continue;
    }
    for (const auto& value : axis.values) try {
        PointOptions().set(axis.name, value);
      } catch (const Error& error) {
        throw error.within(at);
      }
  }
}

SweepRow SweepFigures::row(std::uint64_t index) const {
  SweepRow row;
  row.point = index;
  row.figures.resize(figures_.size());
  try {
    const auto point = sweep_point(file_.sweep, index);
    PointOptions options;
    std::vector<Override> overrides;
    for (std::size_t i = 0; i < point.values.size(); ++i) {
      const auto& axis = file_.sweep.axes[i];
      const auto& value = axis.values[point.values[i]];
      if (axis.option)
        options.set(axis.name, value);
      else
        overrides.push_back({axis.name, value, axis.name});
    }
    const auto model = with_overrides(models_[point.model], overrides);
    PointReadings readings(model, options);
    std::vector<std::string> figures;
    for (const auto& figure : figures_) figures.push_back(readings.figure(figure));
    row.figures = std::move(figures);
  } catch (const Error& error) {
    row.error = printable_line(error.what());
  }
  return row;
}

}  // namespace vitals::cli
