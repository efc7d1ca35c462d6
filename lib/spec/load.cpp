#include "spec/load.h"

#include "core/suggest.h"
#include "spec/builtin.h"
#include "spec/json_text.h"
#include "spec/spec.h"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace vitals {
namespace {

bool looks_like_path(const std::string& argument) {
  return argument.find('/') != std::string::npos || argument.ends_with(".json");
}

Model from_text(const std::string& argument) {
  const auto source = argument == "-" ? std::string("standard input") : argument;
  const auto json = parse_json(read_text(argument), source);
  const auto stem = argument == "-" ? "stdin" : std::filesystem::path(argument).stem().string();
  return model_from_spec(json, source, stem);
}

}  // namespace

Model load_model(const std::string& argument) {
  if (argument.empty()) fail("the model's name is empty; `vitals list` shows the built-in ones");
  if (argument == "-") return from_text(argument);
  std::error_code code;
  const bool exists = std::filesystem::exists(argument, code);
  // A file or folder comes before a free spelling of a built-in name, not before the name itself.
  const auto canonical = builtin_canonical(argument);
  if (!canonical.empty() && (canonical.starts_with(argument) || !exists))
    return builtin_model(argument, "");
  if (looks_like_path(argument) || exists) return from_text(argument);
  return builtin_model(argument, "");
}

}  // namespace vitals
