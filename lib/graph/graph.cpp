#include "graph/graph.h"

namespace vitals {

std::string path_of(const Graph& graph, const Param& param) {
  const auto& path = graph.modules[param.module].path;
  return path.empty() ? param.name : path + "." + param.name;
}

std::string_view last_name(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace vitals
