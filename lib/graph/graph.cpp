#include "graph/graph.h"

namespace vitals {

std::string path_of(const Graph& graph, const Param& param) {
  const auto& path = graph.modules[param.module].path;
  return path.empty() ? param.name : path + "." + param.name;
}

}  // namespace vitals
