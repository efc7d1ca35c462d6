#include "frontends/onnx/onnx_model.h"

#include "core/error.h"
#include "frontends/onnx/emit.h"
#include "frontends/onnx/expand.h"
#include "frontends/onnx/read.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>

namespace vitals {
namespace {

struct OnnxConfig {
  std::vector<std::uint64_t> img_size;  // of open image dimensions: one number, or height and width
  std::vector<std::string> dims;        // "NAME=N"
  std::shared_ptr<const onnx::Model> model;
  std::string path;
};

// "NAME=N" as a name and a size.
std::pair<std::string, std::int64_t> dimension_of(const std::string& text) {
  const auto equals = text.rfind('=');
  std::int64_t size = 0;
  const auto* end = text.data() + text.size();
  const bool parsed = equals != std::string::npos && equals > 0 &&
                      std::from_chars(text.data() + equals + 1, end, size).ptr == end;
  if (!parsed || size < 1) fail("/dims: expected NAME=N with N of 1 or more, got '{}'", text);
  return {text.substr(0, equals), size};
}

onnx::Sizes sizes_of(const OnnxConfig& c, const BuildOptions& options) {
  onnx::Sizes sizes;
  sizes.batch = static_cast<std::int64_t>(options.batch);
  sizes.tokens = static_cast<std::int64_t>(options.seq_len);
  if (!c.img_size.empty()) {
    sizes.height = static_cast<std::int64_t>(c.img_size.front());
    sizes.width = static_cast<std::int64_t>(c.img_size.back());
  }
  for (const auto& text : c.dims) sizes.named.insert(dimension_of(text));
  return sizes;
}

void validate(const OnnxConfig& c) {
  if (c.img_size.size() > 2) fail("/img_size: expected one number, or height and width");
  for (const auto& text : c.dims) (void)dimension_of(text);
}

// The inputs that are data, not weights.
std::vector<const onnx::ValueInfo*> data_inputs(const onnx::Model& model) {
  std::vector<const onnx::ValueInfo*> inputs;
  const auto& weights = model.graph.initializers;
  for (const auto& input : model.graph.inputs) {
    const auto named = [&](const onnx::Tensor& t) { return t.name == input.name; };
    if (std::none_of(weights.begin(), weights.end(), named)) inputs.push_back(&input);
  }
  return inputs;
}

// The batch that an export fixed in its inputs; nothing where one of them leaves it open.
std::optional<std::uint64_t> fixed_batch(const onnx::Model& model) {
  const auto inputs = data_inputs(model);
  for (const auto* input : inputs)
    if (input->shaped && !input->dims.empty() && !input->dims[0].value) return std::nullopt;
  const bool batched = !inputs.empty() && inputs[0]->shaped && inputs[0]->dims.size() > 1;
  return batched ? static_cast<std::uint64_t>(std::max<std::int64_t>(*inputs[0]->dims[0].value, 1))
                 : 1;
}

Tensors forward(Builder& b, const OnnxConfig& c) {
  try {
    const auto wanted = b.options().batch;
    const auto fixed = fixed_batch(*c.model);
    if (fixed && wanted != 1 && wanted != *fixed)
      fail("its inputs state a batch of {}; a batch of {} needs an export with a dynamic axis",
           *fixed, wanted);
    auto program = onnx::expand(*c.model, sizes_of(c, b.options()));
    auto outputs = onnx::emit(b, *c.model, program);
    b.graph().imported = true;
    b.graph().batch = fixed.value_or(wanted);
    b.graph().modules[0].type = "Model";
    return outputs;
  } catch (const Error& error) {
    throw error.within(c.path);
  }
}

// What unrolling assumed. Where a size is missing, building the model says so.
std::vector<std::string> remarks(const OnnxConfig& c) {
  try {
    return onnx::expand(*c.model, sizes_of(c, {})).notes;
  } catch (const Error&) {
    return {};
  }
}

std::vector<Field> dims_field() {
  return {field<&OnnxConfig::dims>("dims", "Sizes of the file's open dimensions, NAME=N each.")};
}

Architecture text_architecture() {
  auto a = architecture<OnnxConfig, validate, forward, remarks>(
      "onnx", "The ops that an ONNX file states.");
  a.fields = dims_field();
  return a;
}

Architecture image_architecture() {
  auto a = text_architecture();
  a.fields.push_back(field<&OnnxConfig::img_size>("img_size", "Size of open image dimensions."));
  return a;
}

bool reads_tokens(const onnx::Model& model) {
  const auto inputs = data_inputs(model);
  return !inputs.empty() && !onnx::is_real(inputs.front()->type);
}

// A tied head is exported as a transposed copy of the embedding.
std::string tied_head(const onnx::Model& model) {
  std::map<std::string_view, const onnx::Tensor*> weights;
  for (const auto& t : model.graph.initializers) weights[t.name] = &t;
  for (const auto& node : model.graph.nodes) {
    if (node.type != "Gather" || node.inputs.empty()) continue;
    const auto table = weights.find(node.inputs[0]);
    if (table == weights.end() || table->second->dims.size() != 2) continue;
    const auto& dims = table->second->dims;
    for (const auto& [name, t] : weights)
      if (name.starts_with("onnx::MatMul") && t->dims == std::vector{dims[1], dims[0]})
        return fmt::format(
            "'{}' has the transposed shape of '{}': if the exporter folded a tied head into it, "
            "its {} parameters are counted twice",
            name, table->first, dims[0] * dims[1]);
  }
  return "";
}

// A table that stands for neither a weight nor a bias: attention's mask, a gathered position bias.
bool is_computed(const onnx::Tensor& t) {
  if (t.dims.empty()) return false;
  if (t.name.starts_with('/')) return true;
  const auto wide = std::count_if(t.dims.begin(), t.dims.end(), [](auto d) { return d != 1; });
  return wide > 1 && (t.name.starts_with("onnx::Add") || t.name.starts_with("onnx::Mul"));
}

// Exporters compute what depends on weights alone: the parameters that went into it are gone.
std::vector<std::string> folding_notes(const onnx::Model& model) {
  std::size_t convolutions = 0;
  std::size_t constants = 0;
  for (const auto& t : model.graph.initializers) {
    if (!onnx::is_real(t.type)) continue;
    if (t.name.starts_with("onnx::Conv")) ++convolutions;
    constants += is_computed(t) ? 1 : 0;
  }
  std::vector<std::string> notes;
  if (convolutions > 0)
    notes.push_back(fmt::format(
        "batch norms are folded into {} weights and biases of convolutions: their parameters are "
        "gone, biases came in",
        convolutions));
  if (constants > 0)
    notes.push_back(fmt::format(
        "{} constants that the exporter folded from weights or sizes are not counted as parameters",
        constants));
  if (auto tied = tied_head(model); !tied.empty()) notes.push_back(std::move(tied));
  return notes;
}

}  // namespace

bool is_onnx_file(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code)) return false;
  if (path.ends_with(".onnx")) return true;
  std::ifstream stream(path, std::ios::binary);
  std::string first(512, '\0');
  stream.read(first.data(), static_cast<std::streamsize>(first.size()));
  first.resize(static_cast<std::size_t>(stream.gcount()));
  return !first.empty() && onnx::looks_like_onnx(first);
}

Model model_from_onnx(const std::string& path, const std::string& name) {
  static const Architecture kText = text_architecture();
  static const Architecture kImages = image_architecture();
  auto config = std::make_shared<OnnxConfig>();
  config->model = std::make_shared<onnx::Model>(onnx::read_model_file(path));
  config->path = path;
  Model model;
  model.name = name;
  model.architecture = reads_tokens(*config->model) ? &kText : &kImages;
  model.recorded_batch = fixed_batch(*config->model);
  model.notes = folding_notes(*config->model);
  for (auto& note : model.notes) note = name + ": " + note;
  model.config = std::move(config);
  return model;
}

}  // namespace vitals
