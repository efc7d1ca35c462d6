#include "frontends/onnx/inputs.h"

#include "core/text.h"
#include "frontends/onnx/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace vitals::onnx {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "layer1.0.conv1.weight": with export_params=False weights are inputs of this form. Inputs that
// TorchScript numbers are "x.1".
bool is_parameter_path(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot != std::string_view::npos && dot > 0 && !is_number(name.substr(dot + 1)) &&
         name.find('/') == std::string_view::npos && name.find(':') == std::string_view::npos;
}

bool is_weight_input(const ValueInfo& info) {
  const bool fixed = info.shaped && std::all_of(info.dims.begin(), info.dims.end(),
                                                [](const Dimension& d) { return d.value; });
  return info.tensor && fixed && is_parameter_path(info.name);
}

bool contains(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

enum class Meaning { unknown, batch, tokens, height, width };

// What a symbol or, where it says nothing, the place of a dimension means by the conventions of
// exporters: [batch, channels, height, width], [batch, tokens], [batch, tokens, features].
Meaning meaning_of(const ValueInfo& info, std::size_t axis) {
  const auto symbol = lower_case(info.dims[axis].symbol);
  const auto rank = info.dims.size();
  if (contains(symbol, {"batch"}) || symbol == "n" || symbol == "bs" || symbol == "b")
    return Meaning::batch;
  if (contains(symbol, {"seq", "token", "len", "time"})) return Meaning::tokens;
  if (contains(symbol, {"height"}) || symbol == "h") return Meaning::height;
  if (contains(symbol, {"width"}) || symbol == "w") return Meaning::width;
  if (axis == 0) return Meaning::batch;
  if (rank >= 4 && axis + 2 == rank) return Meaning::height;
  if (rank >= 4 && axis + 1 == rank) return Meaning::width;
  if ((rank == 2 || rank == 3) && axis == 1) return Meaning::tokens;
  return Meaning::unknown;
}

std::int64_t size_for(Meaning meaning, const Sizes& sizes) {
  switch (meaning) {
    case Meaning::batch:
      return sizes.batch;
    case Meaning::tokens:
      return sizes.tokens;
    case Meaning::height:
      return sizes.height;
    case Meaning::width:
      return sizes.width;
    case Meaning::unknown:
      break;
  }
  return 0;
}

// The options that set what is missing.
struct Missing {
  std::vector<std::string> names;
  std::set<std::string> options;

  void add(std::string name, Meaning meaning) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
      options.insert(fmt::format("--dim {}=N", name));
    }
    if (meaning == Meaning::tokens) options.insert("--seq-len N");
    if (meaning == Meaning::height || meaning == Meaning::width) options.insert("--img-size HxW");
  }
};

class Reader {
 public:
  Reader(const Sizes& sizes, Program& program)
      : sizes_(sizes), symbols_(sizes), program_(program) {}

  void add(const ValueInfo& info) {
    Value value;
    value.name = info.name;
    value.type = info.type;
    value.is_input = true;
    value.is_sequence = false;
    value.shaped = info.tensor && info.shaped;
    if (value.shaped)
      for (std::size_t i = 0; i < info.dims.size(); ++i) value.dims.push_back(size_of(info, i));
    const auto stated = sizes_.named.find(std::string(info.name));
    if (stated != sizes_.named.end() && value.shaped && !is_real(value.type) &&
        numel(value.dims) == Count(1)) {
      auto numbers = std::make_shared<Numbers>();
      numbers->integers = {stated->second};
      value.constant = std::move(numbers);
      used_.insert(stated->first);
    }
    program_.inputs.push_back(static_cast<ValueId>(program_.values.size()));
    program_.values.push_back(std::move(value));
  }

  void finish() const {
    if (!missing_.names.empty())
      fail("dimension{} {} {} not stated by the file; set {} with {}",
           missing_.names.size() == 1 ? "" : "s", fmt::join(missing_.names, ", "),
           missing_.names.size() == 1 ? "is" : "are", missing_.names.size() == 1 ? "it" : "them",
           fmt::join(missing_.options, ", "));
    for (const auto& [name, size] : sizes_.named)
      if (used_.count(name) == 0)
        fail("--dim {}: the file has no such dimension{}", name,
             known_.empty() ? "; all of them are fixed"
                            : fmt::format(" (it has: {})", fmt::join(known_, ", ")));
  }

 private:
  std::int64_t size_of(const ValueInfo& info, std::size_t axis) {
    const auto& d = info.dims[axis];
    if (d.value) return *d.value;
    const auto place = fmt::format("{}.{}", info.name, axis);
    const auto name = d.symbol.empty() ? place : std::string(d.symbol);
    known_.insert(name);
    for (const auto& key : {name, place}) {
      const auto found = sizes_.named.find(key);
      if (found == sizes_.named.end()) continue;
      used_.insert(key);
      return found->second;
    }
    if (const auto found = symbols_.find(name)) return *found;
    const auto meaning = meaning_of(info, axis);
    const auto size = size_for(meaning, sizes_);
    if (size == 0) missing_.add(name, meaning);
    symbols_.learn(name, size);
    return size;
  }

  const Sizes& sizes_;
  Symbols symbols_;
  Program& program_;
  Missing missing_;
  std::set<std::string> known_;
  std::set<std::string> used_;
};

}  // namespace

std::optional<std::int64_t> Symbols::find(std::string_view symbol) const {
  const auto stated = sizes_.named.find(std::string(symbol));
  if (stated != sizes_.named.end()) return stated->second;
  const auto found = learnt_.find(symbol);
  if (found == learnt_.end()) return std::nullopt;
  return found->second;
}

void Symbols::learn(std::string_view symbol, std::int64_t size) {
  learnt_.emplace(std::string(symbol), size);
}

void add_inputs(const Model& model, const Sizes& sizes, Program& program,
                std::deque<Tensor>& made) {
  std::set<std::string_view> initialized;
  for (const auto& t : model.graph.initializers) initialized.insert(t.name);
  Reader reader(sizes, program);
  std::size_t weights = 0;
  for (const auto& info : model.graph.inputs) {
    // Old files list every initializer among the inputs.
    if (initialized.count(info.name) != 0) continue;
    if (!is_weight_input(info)) {
      reader.add(info);
      continue;
    }
    ++weights;
    Tensor tensor;
    tensor.name = info.name;
    tensor.type = info.type;
    for (const auto& d : info.dims) tensor.dims.push_back(d.value.value_or(0));
    tensor.external = true;
    made.push_back(std::move(tensor));
    auto value = onnx::tensor(info.type, made.back().dims);
    value.name = info.name;
    value.initializer = &made.back();
    program.values.push_back(std::move(value));
  }
  reader.finish();
  if (weights > 0)
    program.notes.push_back(
        fmt::format("{} inputs are named like parameters and taken as such", weights));
}

}  // namespace vitals::onnx
