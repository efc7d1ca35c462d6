#include "frontends/spec/load.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/gguf/model.h"
#include "frontends/hf/adapter.h"
#include "frontends/hf/classify.h"
#include "frontends/hf/config.h"
#include "frontends/hf/pipeline.h"
#include "frontends/onnx/onnx_model.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "frontends/torch/model.h"
#include "frontends/torch/pt2.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace vitals {
namespace {

bool looks_like_path(const std::string& argument) {
  return argument.find('/') != std::string::npos || argument.ends_with(".json") ||
         argument.ends_with(".safetensors") || argument.ends_with(".gguf") ||
         argument.ends_with(".pt2") || argument.ends_with(".onnx");
}

namespace fs = std::filesystem;

// A trace of ten thousand nodes has a few megabytes; configs stay far below.
constexpr std::size_t kMaxTraceBytes = std::size_t{256} << 20;

constexpr const char* kPreprocessor = "preprocessor_config.json";
constexpr const char* kStoredFormat = "hf_quant_config.json";

// Such a file says nothing of its name; the folder that holds it does.
bool is_named_by_folder(const fs::path& file) {
  for (const char* name : {"config.json", kPipelineFile, kAdapterFile, "params.json"})
    if (file.filename() == name) return true;
  return false;
}

std::string name_of(const fs::path& file) {
  const auto stem = printable_line(file.stem().string());
  if (!is_named_by_folder(file)) return stem;
  std::error_code code;
  const auto folder = fs::absolute(file, code).lexically_normal().parent_path().filename();
  return folder.empty() ? stem : printable_line(folder.string());
}

// What tells the image size where a config does not; null when it is not there.
nlohmann::json preprocessor_beside(const fs::path& config) {
  const auto file = config.parent_path() / kPreprocessor;
  std::error_code code;
  if (config.filename() != "config.json" || !fs::exists(file, code)) return nullptr;
  return parse_json(read_text(file.string()), file.string());
}

nlohmann::json described_as(nlohmann::json description, const std::string& as,
                            const std::string& source) {
  if (as.empty()) return description;
  try {
    return read_as(std::move(description), as);
  } catch (const Error& error) {
    throw error.within(source);
  }
}

// NVIDIA's ModelOpt states beside the config how the weights are stored.
void note_stored_format(Model& model, const fs::path& config) {
  const auto file = config.parent_path() / kStoredFormat;
  std::error_code code;
  if (config.filename() != "config.json" || !fs::exists(file, code)) return;
  const auto stated = parse_json(read_text(file.string()), file.string());
  const auto& how = stated.is_object() ? stated.value("quantization", nlohmann::json()) : stated;
  if (!how.is_object())
    fail("{}: /quantization: expected an object with quant_algo, got {}", file.string(),
         brief(how));
  const auto algorithm = how.value("quant_algo", nlohmann::json());
  if (!algorithm.is_null() && !algorithm.is_string())
    fail("{}: /quantization/quant_algo: expected a name like \"FP8\", got {}", file.string(),
         brief(algorithm));
  model.notes.push_back(fmt::format(
      "{}: the weights are stored as {} ({}); counts are those of the model, bytes those of the "
      "precision that is asked for",
      config.string(), algorithm.is_null() ? "in several formats" : algorithm.get<std::string>(),
      kStoredFormat));
}

Model from_text(const std::string& argument, const std::string& as);

// The base of an adapter: a folder or file here, the config.json beside the adapter's, or a
// built-in name.
Model base_of(const nlohmann::json& adapter, const std::string& source, const std::string& as) {
  const auto stated = adapter.value("base_model_name_or_path", nlohmann::json());
  if (!stated.is_string() && !stated.is_null())
    fail("{}: /base_model_name_or_path: expected a name or a path, got {}", source, brief(stated));
  const auto base = stated.is_string() ? stated.get<std::string>() : std::string();
  const auto here = fs::path(source).parent_path();
  std::error_code code;
  for (const auto& folder : {fs::path(base), here / base}) {
    if (base.empty()) break;
    for (const auto& file : {folder / "config.json", folder / "params.json"})
      if (fs::is_regular_file(file, code)) return from_text(file.string(), as);
  }
  if (const auto file = here / "config.json"; fs::is_regular_file(file, code))
    return from_text(file.string(), as);
  if (!builtin_canonical(base).empty()) return builtin_model(base, source);
  fail(
      "{}: /base_model_name_or_path: '{}' is no folder with a config.json here and no built-in "
      "model; put the base's config.json beside {}",
      source, printable_line(base), kAdapterFile);
}

Model from_adapter(const nlohmann::json& adapter, const std::string& source,
                   const std::string& as) {
  const auto lora = std::make_shared<Lora>(lora_of(adapter, source));
  auto model = base_of(adapter, source, as);
  model.name = name_of(source);
  model.lora = lora;
  try {
    BuildOptions small;
    small.seq_len = model.reads_images() ? 0 : 1;
    (void)model.build(small);
  } catch (const Error& error) {
    throw error.within(source);
  }
  return model;
}

Model from_text(const std::string& argument, const std::string& as) {
  const std::string source = argument == "-" ? "standard input" : argument;
  const auto description =
      described_as(parse_json(read_text(argument, kMaxTraceBytes), source), as, source);
  if (torch::is_trace(description)) return model_from_trace_json(description, source);
  if (argument == "-") return model_from_json(description, source, "stdin");
  if (is_adapter_config(description)) return from_adapter(description, source, as);
  if (is_pipeline(description)) return model_from_pipeline(description, source, name_of(source));
  if (fs::path(argument).filename() == kStoredFormat)
    fail("{}: says how weights are stored, not what they are; name the config.json beside it",
         source);
  auto model = model_from_json(description, argument, name_of(argument),
                               is_hf_config(description) ? preprocessor_beside(argument) : nullptr);
  note_stored_format(model, argument);
  return model;
}

Model from_folder(const std::string& argument, const std::string& as) {
  std::error_code code;
  const auto config = fs::path(argument) / "config.json";
  (void)fs::exists(config, code);
  if (code) fail("{}: cannot be read: {}", config.string(), code.message());
  if (const auto file = description_in(argument)) return from_text(*file, as);
  fail("{}: a folder without a config.json, {}, {} or params.json", argument, kPipelineFile,
       kAdapterFile);
}

// Weights tell no architecture; the config beside them does.
Model from_checkpoint(const std::string& path, const std::string& as) {
  if (const auto config = config_beside(path)) return from_text(*config, as);
  (void)read_checkpoint(path);  // what is wrong with the file comes first
  fail(
      "{}: holds tensors, but not how they are connected; put the model's config.json beside it "
      "(`vitals summary` shows what is in it without)",
      path);
}

Model from_gguf(const std::string& path) { return model_from_gguf(read_gguf(path), name_of(path)); }

// A file or folder comes before a free spelling of a built-in name, not before the name itself.
bool names_builtin(const std::string& argument) {
  std::error_code code;
  const auto canonical = builtin_canonical(argument);
  return !canonical.empty() && (canonical.starts_with(argument) || !fs::exists(argument, code));
}

}  // namespace

Model load_model(const std::string& argument, const std::string& as) {
  if (argument.empty()) fail("the model's name is empty; `vitals list` shows the built-in ones");
  if (argument == "-") return from_text(argument, as);
  std::error_code code;
  const bool exists = fs::exists(argument, code);
  const bool is_file = !names_builtin(argument) && (looks_like_path(argument) || exists);
  if (!as.empty() && !is_file)
    fail("{}: a built-in model has its own type; only a Hugging Face config is read as another",
         argument);
  if (names_builtin(argument)) return builtin_model(argument, "");
  if (is_gguf(argument)) {
    if (!as.empty()) fail("{}: a GGUF file states its own architecture; leave out --as", argument);
    return from_gguf(argument);
  }
  if (is_pt2(argument)) {
    if (!as.empty())
      fail("{}: an exported program has no type to be read as; leave out --as", argument);
    return model_from_pt2(argument, name_of(argument));
  }
  if (is_onnx_file(argument)) {
    if (!as.empty()) fail("{}: an ONNX file states its own ops; leave out --as", argument);
    return model_from_onnx(argument, name_of(argument));
  }
  if (fs::is_directory(argument, code) && description_in(argument))
    return from_folder(argument, as);
  if (is_checkpoint(argument)) return from_checkpoint(argument, as);
  if (fs::is_directory(argument, code)) return from_folder(argument, as);
  return is_file ? from_text(argument, as) : builtin_model(argument, "");
}

std::vector<std::string> files_of_model(const std::string& argument) {
  if (argument.empty() || argument == "-" || names_builtin(argument)) return {};
  std::error_code code;
  const bool folder = fs::is_directory(argument, code);
  const bool checkpoint = is_checkpoint(argument);
  std::vector<std::string> files;
  if (checkpoint) files = files_of_checkpoint(argument);
  if (!checkpoint && !folder) files.push_back(argument);
  std::string config = argument;
  if (checkpoint) config = config_beside(argument).value_or("");
  if (folder) config = description_in(argument).value_or(config);
  if (!is_named_by_folder(config)) return files;
  files.push_back(config);
  files.push_back((fs::path(config).parent_path() / kPreprocessor).string());
  return files;
}

}  // namespace vitals
