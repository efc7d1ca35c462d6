#include "report/module_tree.h"

#include "cost/rollup.h"

#include <algorithm>
#include <map>

namespace vitals {
namespace {

class TreeWriter {
 public:
  TreeWriter(const Graph& graph, const TreeOptions& options, const OwnFigures& own)
      : graph_(graph), options_(options), own_(own), children_(children_of(graph)) {
    if (options.fold) sign();
    write(0, 0, 1);
  }

  std::vector<TreeLine> take() { return std::move(lines_); }

 private:
  std::string_view name_of_module(ModuleId id) const {
    const std::string_view path = graph_.modules[id].path;
    const auto& parent = graph_.modules[graph_.modules[id].parent].path;
    return parent.empty() ? path : path.substr(parent.size() + 1);
  }

  bool has_own_part(ModuleId id) const {
    return std::any_of(own_.begin(), own_.end(),
                       [&](const auto* figure) { return (*figure)[id] > Count(0); });
  }

  // Two modules with the same signature look the same in every column: type, shapes, parameters,
  // ops and, by signature, children.
  void sign() {
    auto text = options_.marks;
    text.resize(graph_.modules.size());
    for (const auto& call : graph_.calls)
      for (auto out : call.outputs) text[call.module] += to_string(graph_.nodes[out].shape);
    for (const auto& node : graph_.nodes)
      text[graph_.calls[node.call].module] +=
          fmt::format("{}{}", vitals::name_of(node.op), to_string(node.shape));
    for (const auto& param : graph_.params)
      text[param.module] += param.name + to_string(param.shape);
    std::map<std::string, std::size_t> known;
    signature_.resize(graph_.modules.size());
    for (auto id = static_cast<ModuleId>(graph_.modules.size()); id-- > 0;) {
      text[id] += graph_.modules[id].type;
      for (const auto* figure : own_) text[id] += fmt::format(" {}", (*figure)[id]);
      for (auto child : children_[id])
        text[id] += fmt::format("({} {})", name_of_module(child), signature_[child]);
      signature_[id] = known.try_emplace(std::move(text[id]), known.size()).first->second;
    }
  }

  bool foldable(ModuleId a, ModuleId b) const {
    return options_.fold && is_numbered(name_of_module(a)) && is_numbered(name_of_module(b)) &&
           signature_[a] == signature_[b];
  }

  void write(ModuleId id, std::size_t level, std::uint64_t times) {
    if (id == 0) lines_.push_back({0, title_of(graph_), 0});
    if (options_.depth && level >= *options_.depth) return;
    const auto& children = children_[id];
    if (children.empty()) return;
    for (auto p : graph_.modules[id].params)
      if (!graph_.params[p].buffer)
        lines_.push_back({level + 1, graph_.params[p].name, id, p, false, 1, times});
    for (std::size_t i = 0; i < children.size();) {
      std::size_t end = i + 1;
      while (end < children.size() && foldable(children[i], children[end])) ++end;
      const auto count = end - i;
      std::string label(name_of_module(children[i]));
      if (count > 1) label += fmt::format("-{} ({}x)", name_of_module(children[end - 1]), count);
      lines_.push_back({level + 1, label, children[i], kNone, false, count, times * count});
      write(children[i], level + 1, times * count);
      i = end;
    }
    if (has_own_part(id)) lines_.push_back({level + 1, "(own ops)", id, kNone, true, 1, times});
  }

  const Graph& graph_;
  const TreeOptions& options_;
  const OwnFigures& own_;
  std::vector<std::vector<ModuleId>> children_;
  std::vector<std::size_t> signature_;
  std::vector<TreeLine> lines_;
};

}  // namespace

std::vector<TreeLine> tree_lines(const Graph& graph, const TreeOptions& options,
                                 const OwnFigures& own) {
  return TreeWriter(graph, options, own).take();
}

}  // namespace vitals
