#include "frontends/spec/load.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/gguf/model.h"
#include "frontends/hf/classify.h"
#include "frontends/hf/config.h"
#include "frontends/onnx/onnx_model.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"
#include "frontends/torch/model.h"
#include "frontends/torch/pt2.h"

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

// A config.json says nothing of its name; the folder that holds it does.
std::string name_of(const fs::path& file) {
  const auto stem = printable_line(file.stem().string());
  if (file.filename() != "config.json") return stem;
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

Model from_text(const std::string& argument, const std::string& as) {
  const std::string source = argument == "-" ? "standard input" : argument;
  const auto description =
      described_as(parse_json(read_text(argument, kMaxTraceBytes), source), as, source);
  if (torch::is_trace(description)) return model_from_trace_json(description, source);
  if (argument == "-") return model_from_json(description, source, "stdin");
  return model_from_json(description, argument, name_of(argument),
                         is_hf_config(description) ? preprocessor_beside(argument) : nullptr);
}

Model from_folder(const std::string& argument, const std::string& as) {
  const auto file = fs::path(argument) / "config.json";
  std::error_code code;
  const bool exists = fs::exists(file, code);
  if (code) fail("{}: cannot be read: {}", file.string(), code.message());
  if (!exists) fail("{}: a folder without a config.json", argument);
  return from_text(file.string(), as);
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
  if (checkpoint || folder) config = config_beside(argument).value_or("");
  if (fs::path(config).filename() != "config.json") return files;
  files.push_back(config);
  files.push_back((fs::path(config).parent_path() / kPreprocessor).string());
  return files;
}

}  // namespace vitals
