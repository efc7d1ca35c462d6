#include "recipe_options.h"

#include "core/error.h"
#include "core/number.h"
#include "core/suggest.h"
#include "memory/quantized/quantization.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitals::cli {
namespace {

std::string path_fault(const std::string& path) { return path.empty() ? "the path is empty" : ""; }

std::string share_fault(const std::string& text, double& target) {
  const auto value = parse_number(text);
  if (!value || *value < 0 || *value >= 1)
    return fmt::format("expected a number from 0 to below 1, got '{}'", text);
  target = *value;
  return "";
}

struct Adder {
  Command& c;
  Recipe& r;
  const RecipeField& f;
  std::string name;

  Option& operator()(const std::function<std::string&(Recipe&)>& at) const {
    if (!f.choices.empty()) return c.choice(name, at(r), f.choices, f.doc);
    return c.text(name, at(r), f.value, f.doc);
  }
  Option& operator()(const std::function<bool&(Recipe&)>& at) const {
    return c.flag(name, at(r), f.doc);
  }
  Option& operator()(const std::function<double&(Recipe&)>& at) const {
    auto& target = at(r);
    return c.add(name, f.value, f.doc,
                 [&target](const std::string& text) { return share_fault(text, target); });
  }
  Option& operator()(const std::function<std::vector<std::string>&(Recipe&)>& at) const {
    return c.texts(name, at(r), f.value, f.doc, f.list ? Check() : Check(path_fault), f.list);
  }
  template <class Count>
  Option& operator()(const std::function<Count&(Recipe&)>& at) const {
    return c.count(name, at(r), f.doc, {f.least, f.most});
  }
};

std::string scheme_fault(const std::string& name) {
  if (find_quant_scheme(name) != nullptr) return "";
  std::vector<std::string> known;
  for (const auto& scheme : quant_schemes()) known.emplace_back(scheme.name);
  return fmt::format("unknown scheme '{}'{} (known: {})", name, did_you_mean(name, known),
                     fmt::join(known, ", "));
}

}  // namespace

void add_recipe_options(Command& c, Recipe& r) {
  for (const auto& field : recipe_fields()) {
    c.group = field.group;
    auto& option = std::visit(Adder{c, r, field, "--" + field.name}, field.member);
    if (!field.needs.empty()) option.needs = "--" + field.needs;
  }
  c.group = "Recipe";
  c.text("--quantize", r.quantize, "SCHEME", "How weights are stored: int8, nf4, gptq, Q4_K_M, ...",
         scheme_fault);
  c.group = "Options";
}

std::vector<std::string> unused_in_inference(const Given& given) {
  std::vector<std::string> unused;
  for (const auto& field : recipe_fields())
    if (field.training_only && given.has("--" + field.name)) unused.push_back("--" + field.name);
  return unused;
}

std::string inference_precision(const Model& model, const DeviceSpec* on) {
  if (on != nullptr && on->machine.kind == MachineKind::cpu) return "fp32";
  if (model.dtype == DType::f32) return "fp32";
  if (!model.dtype && !model.reads_text()) return on != nullptr ? "amp" : "fp32";
  const bool bf16 = on == nullptr || on->machine.bf16.has_value();
  return model.dtype == DType::f16 || !bf16 ? "fp16" : "bf16";
}

std::string precision_of(const Recipe& r, const Model& model, const DeviceSpec* on) {
  if (!r.precision.empty()) return r.precision;
  const bool autocast = r.training() || !r.weights.empty() || !r.amp_dtype.empty();
  return autocast ? "amp" : inference_precision(model, on);
}

}  // namespace vitals::cli
