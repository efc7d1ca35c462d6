#include "graph/graph.h"

namespace vitals {

std::string path_of(const Graph& graph, const Param& param) {
  const auto& path = graph.modules[param.module].path;
  return path.empty() ? param.name : path + "." + param.name;
}

ModuleId enclosing(const Graph& graph, ModuleId module, Role role) {
  while (module != kNone && graph.modules[module].role != role)
    module = graph.modules[module].parent;
  return module;
}

bool begins_path(std::string_view path, std::string_view beginning) {
  return path.starts_with(beginning) &&
         (path.size() == beginning.size() || path[beginning.size()] == '.');
}

bool ends_path(std::string_view path, std::string_view end) {
  return path.ends_with(end) &&
         (path.size() == end.size() || path[path.size() - end.size() - 1] == '.');
}

std::string_view last_name(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

bool is_numbered(std::string_view path) {
  return last_name(path).find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::vector<NodeId>> users_of(const Graph& graph) {
  std::vector<std::vector<NodeId>> users(graph.nodes.size());
  for (NodeId id = 0; id < graph.nodes.size(); ++id)
    for (const auto input : graph.nodes[id].inputs) users[input].push_back(id);
  return users;
}

}  // namespace vitals
