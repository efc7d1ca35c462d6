#include "frontends/hf/pipeline.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/hf/classify.h"
#include "frontends/hf/config.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace vitals {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

struct Part {
  std::string name;  // "text_encoder"
  std::string type;  // "CLIPTextModel"
  Model model;
};

struct PipelineConfig {
  std::string type = "Pipeline";
  std::vector<Part> parts;
};

void validate(const PipelineConfig&) {}

// Each part is a call of its own, with its own inputs: what a part reads of another (the text's
// features) has the shape that its own config states.
Tensors forward(Builder& b, const PipelineConfig& c) {
  auto& graph = b.graph();
  Tensors outputs;
  for (const auto& part : c.parts) {
    const auto results = b.call(part.name, part.type, {}, [&] {
      return part.model.architecture->forward(b, part.model.config.get());
    });
    outputs.insert(outputs.end(), results.begin(), results.end());
  }
  graph.modules[0].type = c.type;
  graph.num_tokens = 0;
  graph.plain_stack.reset();
  return outputs;
}

const Architecture& pipeline_architecture() {
  static const auto kPipeline = architecture<PipelineConfig, validate, forward>(
      "pipeline", "The models of a diffusion pipeline, each run once.");
  return kPipeline;
}

Model pipeline_of(std::string name, std::string type, std::vector<Part> parts) {
  Model model;
  model.name = std::move(name);
  model.architecture = &pipeline_architecture();
  ordered_json document = {{"name", model.name}, {"architecture", "pipeline"}, {"class", type}};
  for (const auto& part : parts) {
    auto spec = spec_of(part.model);
    spec.erase("name");
    spec["class"] = part.type;
    document["parts"][part.name] = std::move(spec);
    const auto gather = [](std::vector<std::string>& all, const std::vector<std::string>& more) {
      all.insert(all.end(), more.begin(), more.end());
    };
    gather(model.notes, part.model.notes);
    gather(model.by_default, part.model.by_default);
    gather(model.left_out, part.model.left_out);
  }
  const auto dtype = parts.front().model.dtype;
  if (std::all_of(parts.begin(), parts.end(),
                  [&](const Part& p) { return p.model.dtype == dtype; }))
    model.dtype = dtype;
  model.document = document.dump();
  model.config =
      std::make_shared<PipelineConfig>(PipelineConfig{std::move(type), std::move(parts)});
  model.notes.push_back(fmt::format(
      "{}: each part of the pipeline is counted as one call; a denoiser runs once a step",
      model.name));
  return model;
}

// Whether such a class holds no weights: "DDIMScheduler", "CLIPTokenizerFast", ...
bool has_no_weights(std::string_view type) {
  for (const auto* word : {"Scheduler", "Tokenizer", "FeatureExtractor", "Processor"})
    if (type.find(word) != std::string_view::npos) return true;
  return false;
}

// The library and the class of a part; nothing where the pipeline goes without it.
std::optional<std::string> class_of_part(const std::string& key, const json& entry,
                                         const std::string& file) {
  const bool pair = entry.size() == 2 && (entry[1].is_string() || entry[1].is_null());
  if (!pair)
    fail("{}: /{}: expected a library and a class, like [\"diffusers\", \"AutoencoderKL\"], got {}",
         file, key, brief(entry));
  if (entry[1].is_null()) return std::nullopt;
  return entry[1].get<std::string>();
}

// A config of the part; its class is the one that the pipeline loads it as.
json config_of_part(const std::string& key, const std::string& type, const std::string& index,
                    const fs::path& file) {
  std::error_code code;
  if (!fs::exists(file, code))
    fail("{}: /{}: {}: {} is missing; download it, or set the part to [null, null]", index, key,
         type, file.string());
  auto config = parse_json(read_text(file.string()), file.string());
  if (config.is_object() && config.contains("model_type"))
    config["architectures"] = json::array({type});
  return config;
}

}  // namespace

bool is_pipeline(const json& description) {
  if (!description.is_object() || !description.contains("_class_name")) return false;
  const auto& type = description["_class_name"];
  if (!type.is_string() || description.contains("model_type")) return false;
  return std::any_of(description.begin(), description.end(), [](const json& value) {
    return value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
  });
}

Model model_from_pipeline(const json& index, const std::string& file, const std::string& name) {
  std::vector<Part> parts;
  std::vector<std::string> left_out;
  for (const auto& [key, entry] : index.items()) {
    if (key.starts_with('_') || !entry.is_array()) continue;
    const auto type = class_of_part(key, entry, file);
    if (!type || has_no_weights(*type)) continue;
    const auto path = fs::path(file).parent_path() / key / "config.json";
    const auto config = config_of_part(key, *type, file, path);
    try {
      (void)kind_of_config(config, "");
    } catch (const Error& error) {
      left_out.push_back(fmt::format("{}: /{}: {} is left out, all counts are the other parts': {}",
                                     file, key, *type, error.what()));
      continue;
    }
    auto model = model_from_hf_config(config, path.string(), key, nullptr);
    parts.push_back({key, *type, std::move(model)});
  }
  if (parts.empty())
    fail("{}: names no model that is known{}{}", file, left_out.empty() ? "" : "; ",
         fmt::join(left_out, "; "));
  auto model = pipeline_of(name, index["_class_name"].get<std::string>(), std::move(parts));
  model.left_out.insert(model.left_out.end(), left_out.begin(), left_out.end());
  return model;
}

bool is_pipeline_spec(const json& description) {
  return description.is_object() && description.value("architecture", json()) == "pipeline";
}

Model model_from_pipeline_spec(const json& spec, const std::string& source,
                               const std::string& fallback_name) {
  const auto text = [&](const json& object, const char* key, const std::string& otherwise) {
    const auto value = object.value(key, json(otherwise));
    const bool good = value.is_string() && is_printable_line(value.get<std::string>());
    if (!good) fail("{}: /{}: expected a printable name, got {}", source, key, brief(value));
    return value.get<std::string>();
  };
  const auto stated = spec.value("parts", json());
  if (!stated.is_object() || stated.empty())
    fail("{}: /parts: expected an object with a spec for each part, got {}", source, brief(stated));
  for (const auto& [key, value] : spec.items())
    if (key != "name" && key != "architecture" && key != "class" && key != "parts")
      fail("{}: /{}: unknown field of a pipeline; it has name, class and parts", source, key);
  std::vector<Part> parts;
  for (const auto& [key, value] : stated.items()) {
    const auto at = fmt::format("{}: /parts/{}", source, key);
    if (key.empty() || !is_printable_line(key) || key.find('.') != std::string::npos)
      fail("{}: expected a printable name without dots", at);
    if (!value.is_object()) fail("{}: expected a spec, got {}", at, brief(value));
    auto part = value;
    part.erase("class");
    parts.push_back({key, text(value, "class", "Model"), model_from_spec(part, at, key)});
  }
  return pipeline_of(text(spec, "name", fallback_name), text(spec, "class", "Pipeline"),
                     std::move(parts));
}

}  // namespace vitals
