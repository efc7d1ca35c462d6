#include "frontends/onnx/module_path.h"

#include <algorithm>

namespace vitals::onnx {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// The texts of a Python list: "['', 'layer1', 'layer1.0']".
std::vector<std::string> python_list(std::string_view text) {
  std::vector<std::string> items;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char quote = text[i];
    if (quote != '\'' && quote != '"') continue;
    const auto end = text.find(quote, i + 1);
    if (end == std::string_view::npos) break;
    items.emplace_back(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return items;
}

std::string_view metadata(const Node& node, std::string_view key) {
  for (const auto& [name, value] : node.metadata)
    if (name == key) return value;
  return {};
}

// Adds the parts of `path` below `before`: "layer1.0" below "layer1" is "0".
void add_below(std::vector<ModulePath::Part>& parts, std::string_view before, std::string_view path,
               const std::string& type) {
  if (!before.empty() && path.starts_with(before) && path.size() > before.size() &&
      path[before.size()] == '.')
    path.remove_prefix(before.size() + 1);
  for (auto& name : split(path, '.')) parts.push_back({std::move(name), ""});
  if (!parts.empty()) parts.back().type = type;
}

// "torch.nn.modules.conv.Conv2d" -> "Conv2d"
std::string class_name(std::string_view full) {
  const auto dot = full.rfind('.');
  return std::string(dot == std::string_view::npos ? full : full.substr(dot + 1));
}

// The last entry of both lists is the op itself, the first one the model.
bool from_metadata(const Node& node, std::vector<ModulePath::Part>& parts) {
  const auto scopes = python_list(metadata(node, "pkg.torch.onnx.name_scopes"));
  const auto classes = python_list(metadata(node, "pkg.torch.onnx.class_hierarchy"));
  if (scopes.size() < 2) return false;
  std::string before;
  for (std::size_t i = 1; i + 1 < scopes.size(); ++i) {
    if (scopes[i].empty() || scopes[i] == before) continue;
    add_below(parts, before, scopes[i], i < classes.size() ? class_name(classes[i]) : "");
    before = scopes[i];
  }
  return true;
}

void from_name(std::string_view name, std::vector<ModulePath::Part>& parts) {
  if (!name.starts_with('/')) return;
  const auto labels = split(name.substr(1), '/');
  std::string before;
  for (std::size_t i = 0; i + 1 < labels.size(); ++i) {
    if (labels[i].empty()) continue;
    add_below(parts, before, labels[i], "");
    before = labels[i];
  }
}

void from_scopes(const Program& program, std::uint32_t scope,
                 std::vector<ModulePath::Part>& parts) {
  std::vector<const Scope*> around;
  for (; scope != 0; scope = program.scopes[scope].parent) around.push_back(&program.scopes[scope]);
  std::reverse(around.begin(), around.end());
  for (const auto* s : around) {
    if (s->call == nullptr || s->function == nullptr) continue;
    auto name = std::string(s->call->name.empty() ? s->function->name : s->call->name);
    std::replace(name.begin(), name.end(), '.', '_');
    parts.push_back({std::move(name), std::string(s->function->name)});
  }
}

}  // namespace

ModulePath module_path(const Program& program, const Step& step) {
  ModulePath path;
  if (from_metadata(*step.node, path.parts)) return path;
  from_scopes(program, step.scope, path.parts);
  if (path.parts.empty()) from_name(step.node->name, path.parts);
  return path;
}

}  // namespace vitals::onnx
