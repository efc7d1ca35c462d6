#include "report/stored_weights.h"

#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals {
namespace {

struct StoredFormat {
  std::string name;
  Count elements;
  Count bytes;
};

// The largest first.
std::vector<StoredFormat> stored_formats(const StoredWeights& stored) {
  std::vector<StoredFormat> formats;
  for (const auto& [path, param] : stored.by_path)
    for (const auto& part : param.parts) {
      auto it = std::find_if(formats.begin(), formats.end(),
                             [&](const StoredFormat& f) { return f.name == part.format; });
      if (it == formats.end()) it = formats.insert(formats.end(), {part.format, 0, 0});
      it->elements += part.elements;
      it->bytes += part.bytes;
    }
  std::stable_sort(formats.begin(), formats.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return formats;
}

}  // namespace

StoredColumns::StoredColumns(const Graph& graph, const StoredWeights& stored)
    : by_param_(graph.params.size()), marks_(graph.modules.size()) {
  std::vector<Count> own(graph.modules.size());
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    const auto& param = graph.params[id];
    const auto it = stored.by_path.find(path_of(graph, param));
    if (it == stored.by_path.end()) continue;
    by_param_[id] = it->second.bytes();
    own[param.module] += by_param_[id];
    auto& text = marks_[param.module];
    for (const auto& part : it->second.parts)
      if (text.find(part.format) == std::string::npos)
        text += (text.empty() ? "" : " + ") + part.format;
  }
  bytes_ = roll_up_modules(graph, std::move(own));
}

std::vector<ModuleColumn> StoredColumns::columns() const {
  const auto format = [this](const TreeLine& line) {
    return line.param != kNone || line.own_ops ? std::string() : marks_[line.module];
  };
  return {{{"stored as"}, format},
          figure_column("bytes", of_params(bytes_, [this](ParamId id) { return by_param_[id]; }),
                        binary_bytes)};
}

std::string format_list(const StoredWeights& stored) {
  std::vector<std::string> parts;
  for (const auto& f : stored_formats(stored))
    parts.push_back(fmt::format("{} {}", f.name, binary_bytes(f.bytes)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string stored_line(const Graph& graph, const StoredWeights& stored) {
  const auto params = parameters(graph).sum().as_double();
  return fmt::format("Stored weights: {} ({:.2f} bits a parameter): {}",
                     binary_bytes(stored.bytes()),
                     8 * stored.bytes().as_double() / std::max(params, 1.0), format_list(stored));
}

nlohmann::ordered_json stored_json(const StoredWeights& stored) {
  nlohmann::ordered_json json = {{"bytes", stored.bytes().value()},
                                 {"beside", stored.beside.value()}};
  auto& formats = json["formats"] = nlohmann::ordered_json::object();
  for (const auto& f : stored_formats(stored))
    formats[f.name] = {{"params", f.elements.value()}, {"bytes", f.bytes.value()}};
  return json;
}

}  // namespace vitals
