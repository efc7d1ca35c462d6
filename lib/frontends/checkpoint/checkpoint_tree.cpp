#include "frontends/checkpoint/checkpoint_tree.h"

#include <algorithm>
#include <unordered_map>

namespace vitals {
namespace {

// Nor may deep paths cost much. What is below stays in the parameter's name.
constexpr std::size_t kMaxPathDepth = 24;

class TreeBuilder {
 public:
  TreeBuilder(Graph& graph, std::size_t max_modules) : graph_(graph), max_modules_(max_modules) {
    graph_.modules.push_back({"", "", kNone, {}});
    graph_.calls.push_back({});
  }

  void add(const StoredTensor& tensor) {
    const auto [module, name] = place(tensor.name);
    const auto id = static_cast<ParamId>(graph_.params.size());
    Shape shape;
    if (tensor.shape.size() <= kMaxRank)
      for (auto d : tensor.shape) shape.push_back(d);
    else
      shape = {tensor.elements().value()};
    graph_.params.push_back({std::string(name), module, shape, tensor.type->floating, false});
    graph_.modules[module].params.push_back(id);
    add_type(graph_.modules[module].type, tensor.type->name);
  }

 private:
  std::pair<ModuleId, std::string_view> place(std::string_view name) {
    ModuleId module = 0;
    std::size_t start = 0;
    for (std::size_t depth = 0; depth < kMaxPathDepth; ++depth) {
      const auto dot = name.find('.', start);
      if (dot == std::string_view::npos) break;
      module = child(module, name.substr(0, dot));
      start = dot + 1;
    }
    return {module, name.substr(start)};
  }

  ModuleId child(ModuleId parent, std::string_view path) {
    const auto [it, added] =
        by_path_.try_emplace(path, static_cast<ModuleId>(graph_.modules.size()));
    if (!added) return it->second;
    if (graph_.modules.size() >= max_modules_)
      fail("the tensors' names make more than {} modules", max_modules_);
    graph_.modules.push_back({std::string(path), "", parent, {}});
    return it->second;
  }

  static void add_type(std::string& types, std::string_view type) {
    if (types.empty())
      types = type;
    else if ((" + " + types + " + ").find(fmt::format(" + {} + ", type)) == std::string::npos)
      types += fmt::format(" + {}", type);
  }

  Graph& graph_;
  std::size_t max_modules_;
  std::unordered_map<std::string_view, ModuleId> by_path_;  // views into the tensors' names
};

Rollup roll_up_tensors(const Graph& graph, const Checkpoint& checkpoint,
                       Count (*quantity)(const StoredTensor&)) {
  std::vector<Count> own(graph.modules.size());
  for (std::size_t i = 0; i < checkpoint.tensors.size(); ++i)
    own[graph.params[i].module] += quantity(checkpoint.tensors[i]);
  return roll_up_modules(graph, std::move(own));
}

}  // namespace

CheckpointTree tree_of(const Checkpoint& checkpoint, std::size_t max_modules) {
  CheckpointTree tree;
  tree.graph.model = checkpoint.name;
  TreeBuilder builder(tree.graph, max_modules);
  for (const auto& tensor : checkpoint.tensors) builder.add(tensor);
  auto roll_up = [&](Count (*quantity)(const StoredTensor&)) {
    return roll_up_tensors(tree.graph, checkpoint, quantity);
  };
  tree.params = roll_up([](const StoredTensor& t) { return t.type->floating ? t.elements() : 0; });
  tree.elements = roll_up([](const StoredTensor& t) { return t.elements(); });
  tree.bytes = roll_up([](const StoredTensor& t) { return t.bytes(); });
  return tree;
}

}  // namespace vitals
