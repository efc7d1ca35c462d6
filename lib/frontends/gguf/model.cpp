#include "frontends/gguf/model.h"

#include "core/suggest.h"
#include "core/text.h"
#include "frontends/checkpoint/match.h"
#include "frontends/gguf/architectures.h"
#include "frontends/hf/config.h"
#include "frontends/hf/derive.h"
#include "frontends/hf/families.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>

namespace vitals {
namespace {

using nlohmann::json;

const GgufArchitecture& row_of(const GgufFile& gguf) {
  const auto name = gguf_architecture(gguf);
  if (name.empty())
    fail("{}: key 'general.architecture' is missing or no text", gguf.checkpoint.path);
  if (const auto* row = find_gguf_architecture(name)) return *row;
  fail(
      "{}: general.architecture '{}' is not known{}; `vitals summary` lists the tensors of the "
      "file "
      "(known: {})",
      gguf.checkpoint.path, name, did_you_mean(name, gguf_architectures()),
      fmt::join(gguf_architectures(), ", "));
}

// A value that every layer has as one value.
json collapsed(const json& value) {
  if (!value.is_array() || value.empty()) return value;
  const bool same = std::all_of(value.begin(), value.end(),
                                [&](const json& v) { return v.is_number() && v == value.front(); });
  return same ? value.front() : value;
}

// Metadata without the architecture's prefix, and the tensors' dimensions under "tensors".
json fields_of(const GgufFile& gguf) {
  const auto prefix = gguf_architecture(gguf) + ".";
  auto fields = json::object();
  for (const auto& [key, value] : gguf.metadata->items())
    fields[key.starts_with(prefix) ? key.substr(prefix.size()) : key] = collapsed(value);
  auto& tensors = fields["tensors"] = json::object();
  for (const auto& tensor : gguf.checkpoint.tensors) tensors[tensor.name] = tensor.shape;
  return fields;
}

bool has_field(const HfFamily& family, const std::string& field) {
  for (const auto* part : {"fields", "defaults", "aliases"})
    if (entry_of(family, part).contains(field) && !entry_of(family, part)[field].is_null())
      return true;
  return entry_of(family, "defaults").contains(field);
}

const HfFamily& family_of(const GgufArchitecture& row, const HfValues& values,
                          std::string& model_type) {
  const auto& stated = row.at("model_type");
  model_type = (stated.is_string() ? stated : derived(stated, values)).get<std::string>();
  return *find_hf_family(model_type);
}

void check_required(const GgufFile& gguf, const GgufArchitecture& row, const json& fields) {
  for (const auto& key : row.at("required"))
    if (!fields.contains(key.get<std::string>()))
      fail("{}: key '{}.{}' is missing", gguf.checkpoint.path, gguf_architecture(gguf),
           key.get<std::string>());
  if (!fields["tensors"].contains("token_embd.weight"))
    fail("{}: the tensor 'token_embd.weight' is missing", gguf.checkpoint.path);
}

// "/attention/head_count: ..." of an expression is the key llama.attention.head_count here.
Error in_gguf_words(const Error& error, const GgufFile& gguf) {
  std::string message = error.what();
  const auto end = message.find(':');
  if (!message.starts_with('/') || end == std::string::npos) return Error(message);
  auto key = message.substr(1, end - 1);
  std::replace(key.begin(), key.end(), '/', '.');
  constexpr std::string_view kTensors = "tensors.";
  const auto what = key.starts_with(kTensors)
                        ? fmt::format("tensor '{}'", key.substr(kTensors.size()))
                        : fmt::format("key '{}.{}'", gguf_architecture(gguf), key);
  return Error(what + message.substr(end));
}

// A fault of a field in the words of the file: "/hidden_size" is llama.embedding_length there.
Error in_gguf_words(const Error& error, const GgufFile& gguf, const GgufArchitecture& row) {
  std::string message = error.what();
  for (const auto& [field, expression] : row.at("config").items()) {
    if (!expression.is_string()) continue;
    const auto ours = fmt::format(": /{}:", field);
    const auto at = message.find(ours);
    if (at == std::string::npos) continue;
    message.replace(
        at, ours.size(),
        fmt::format(": key '{}.{}':", gguf_architecture(gguf), expression.get<std::string>()));
    break;
  }
  return Error(message);
}

std::shared_ptr<const CheckpointKeys> keys_of(const GgufArchitecture& row) {
  auto keys = std::make_shared<CheckpointKeys>();
  keys->any_layout = true;
  auto add = [&](const std::string& trace, const json& stored) {
    KeyRule rule{trace, {}};
    for (const auto& name : stored) rule.stored.push_back(name.get<std::string>());
    keys->rules.push_back(std::move(rule));
  };
  for (const auto& [trace, stored] : row.at("keys").items()) {
    if (stored.is_null()) continue;
    if (stored.is_string())
      add(trace, json::array({stored}));
    else if (stored.front().is_string())
      add(trace, stored);
    else
      for (const auto& alternative : stored) add(trace, alternative);
  }
  for (const auto& name : row.at("left_out")) keys->left_out.push_back(name.get<std::string>());
  return keys;
}

// Layers that predict further tokens stand behind the model's own; llama.cpp does not run them.
void leave_out_next_layers(const GgufFile& gguf, CheckpointKeys& keys) {
  const auto prefix = gguf_architecture(gguf) + ".";
  const auto count = [&](const std::string& key) -> std::uint64_t {
    const auto it = gguf.metadata->find(prefix + key);
    return it != gguf.metadata->end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
  };
  const auto next = count("nextn_predict_layers");
  const auto all = count("block_count");
  for (auto i = all - std::min(all, next); i < all && next <= 16; ++i)
    for (const auto* rest : {"*", "*.*", "*.*.*"})
      keys.left_out.push_back(fmt::format("blk.{}.{}", i, rest));
}

// The part of a tensor that a parameter is. Several parameters that share one tensor divide it by
// their rows, whose bytes are equal.
StoredParam::Part part_of(const StoredTensor& tensor, Count wanted) {
  const auto elements = tensor.elements();
  const auto own = std::min(wanted, elements);
  const auto bytes =
      own == elements ? tensor.bytes() : own * tensor.type->bits / 8 / tensor.type->block;
  return {tensor.name, std::string(tensor.type->name), own, bytes};
}

std::shared_ptr<const StoredWeights> stored_of(const Graph& graph, const CheckpointFit& fit) {
  auto stored = std::make_shared<StoredWeights>();
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    if (fit.parts[id].empty()) continue;
    auto& param = stored->by_path[path_of(graph, graph.params[id])];
    for (const auto* tensor : fit.parts[id])
      param.parts.push_back(part_of(*tensor, numel(graph.params[id])));
  }
  for (const auto* tensor : fit.left_out) stored->beside += tensor->bytes();
  return stored;
}

std::string misfit(const CheckpointFit& fit) {
  const auto first = [](const auto& list, auto&& name) {
    return list.empty() ? std::string()
                        : fmt::format("{} ({} in all)", name(list.front()), list.size());
  };
  std::string text;
  const auto add = [&](std::string_view what, const std::string& which) {
    if (!which.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : "; ", what, which);
  };
  add("missing",
      first(fit.missing, [](const auto& m) { return m.name + " " + to_string(m.shape); }));
  add("unexpected", first(fit.unexpected, [](const auto* t) { return t->name; }));
  add("of another shape", first(fit.mismatched, [](const auto& m) {
        return fmt::format("{} [{}], expected {}", m.found->name, fmt::join(m.found->shape, ", "),
                           to_string(m.expected.shape));
      }));
  return text;
}

std::string headline(const GgufFile& gguf) {
  auto text = fmt::format("{}: GGUF version {}, general.architecture '{}'", gguf.checkpoint.path,
                          gguf.version, gguf_architecture(gguf));
  const auto type = gguf.metadata->find("general.file_type");
  if (type != gguf.metadata->end() && type->is_number_unsigned())
    if (const auto name = gguf_file_type(type->get<std::uint64_t>()); !name.empty())
      text += fmt::format(", {}", name);
  return text;
}

}  // namespace

std::string gguf_architecture(const GgufFile& gguf) {
  const auto it = gguf.metadata->find("general.architecture");
  return it != gguf.metadata->end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string> gguf_architectures() { return gguf_architecture_names(); }

bool knows_gguf_architecture(const GgufFile& gguf) {
  return find_gguf_architecture(gguf_architecture(gguf)) != nullptr;
}

json gguf_config(const GgufFile& gguf) {
  const auto& row = row_of(gguf);
  const auto fields = fields_of(gguf);
  check_required(gguf, row, fields);
  try {
    const HfValues values(fields, json::object());
    std::string model_type;
    const auto& family = family_of(row, values, model_type);
    json config = {{"model_type", model_type}};
    if (row.contains("class")) config["architectures"] = json::array({row["class"]});
    for (const auto& [field, expression] : row.at("config").items()) {
      if (expression.is_null() || !has_field(family, field)) continue;
      auto value = derived(expression, values);
      const auto& nullable = row.at("nullable");
      const bool stated =
          std::find(nullable.begin(), nullable.end(), json(field)) != nullable.end();
      if (!value.is_null() || stated) config[field] = std::move(value);
    }
    return config;
  } catch (const Error& error) {
    throw in_gguf_words(error, gguf).within(gguf.checkpoint.path);
  }
}

Model model_from_gguf(const GgufFile& gguf, const std::string& fallback_name) {
  const auto& row = row_of(gguf);
  const auto config = gguf_config(gguf);
  try {
    auto model = model_from_hf_config(config, gguf.checkpoint.path, fallback_name, nullptr);
    auto keys = std::make_shared<CheckpointKeys>(*keys_of(row));
    leave_out_next_layers(gguf, *keys);
    model.checkpoint_keys = keys;
    BuildOptions small;
    small.seq_len = 1;
    const auto graph = model.build(small);
    const auto fitted = fit(graph, gguf.checkpoint, *keys);
    if (!fitted.fits())
      fail("{}: the tensors are not those of the model that the metadata describes: {}",
           gguf.checkpoint.path, misfit(fitted));
    model.stored = stored_of(graph, fitted);
    model.notes.insert(model.notes.begin(), headline(gguf));
    return model;
  } catch (const Error& error) {
    throw in_gguf_words(error, gguf, row);
  }
}

}  // namespace vitals
