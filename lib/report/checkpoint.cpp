#include "report/checkpoint.h"

#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace vitals {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMostListed = 10;

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

struct TypeTotals {
  std::size_t tensors = 0;
  Count elements;
  Count bytes;
};

std::map<std::string_view, TypeTotals> by_type(const Checkpoint& checkpoint) {
  std::map<std::string_view, TypeTotals> totals;
  for (const auto& t : checkpoint.tensors) {
    auto& total = totals[t.type->name];
    ++total.tensors;
    total.elements += t.elements();
    total.bytes += t.bytes();
  }
  return totals;
}

Count header_bytes(const Checkpoint& checkpoint) {
  Count bytes;
  for (const auto& file : checkpoint.files) bytes += file.header_bytes;
  return bytes;
}

// Modules fold only when their tensors are stored alike.
std::vector<std::string> types_by_module(const CheckpointReport& r) {
  std::vector<std::string> marks(r.tree->graph.modules.size());
  for (std::size_t i = 0; i < r.checkpoint->tensors.size(); ++i)
    marks[r.tree->graph.params[i].module].append(r.checkpoint->tensors[i].type->name).append(" ");
  return marks;
}

std::string plural(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(n), noun, n == 1 ? "" : "s");
}

template <class List, class Line>
std::string listed(std::string_view title, const List& list, Line&& line) {
  if (list.empty()) return "";
  auto text = fmt::format("\n  {} ({}):", title, list.size());
  const auto shown = std::min(list.size(), kMostListed);
  for (std::size_t i = 0; i < shown; ++i) text += "\n    " + line(list[i]);
  if (list.size() > shown) text += fmt::format("\n    ... and {} more", list.size() - shown);
  return text;
}

std::string prefix_text(const CheckpointFit& fit) {
  if (!fit.added_prefix.empty())
    return fmt::format("; its names lack the model's prefix '{}'", fit.added_prefix);
  if (!fit.dropped_prefix.empty())
    return fmt::format("; its names have a prefix '{}' more than the model's", fit.dropped_prefix);
  return "";
}

std::string fit_text(const CheckpointReport& r) {
  auto text =
      fmt::format("fits {}: {} as the model has them", r.config, plural(r.fit->matched, "tensor"));
  text += prefix_text(*r.fit);
  if (!r.fit->left_out.empty())
    text +=
        fmt::format("; {} beside them belong to no parameter of it (buffers, other heads), e.g. {}",
                    r.fit->left_out.size(), r.fit->left_out.front()->name);
  return text + "\n";
}

ordered_json names_json(const std::vector<const StoredTensor*>& tensors) {
  auto result = ordered_json::array();
  for (const auto* t : tensors) result.push_back(t->name);
  return result;
}

ordered_json dims_json(const Shape& shape) {
  auto result = ordered_json::array();
  for (auto d : shape) result.push_back(d);
  return result;
}

// A tensor of the top level and a module may have one name.
ordered_json children_json(const CheckpointReport& r) {
  std::map<std::string, Count> children;
  const auto& graph = r.tree->graph;
  for (auto id : graph.modules[0].params)
    if (const auto& t = r.checkpoint->tensors[id]; t.type->floating)
      children[graph.params[id].name] += t.elements();
  for (ModuleId id = 1; id < graph.modules.size(); ++id)
    if (graph.modules[id].parent == 0) children[graph.modules[id].path] += r.tree->params.total[id];
  auto result = ordered_json::object();
  for (const auto& [name, count] : children) result[name] = count.value();
  return result;
}

ordered_json fit_json(const CheckpointReport& r) {
  const auto& fit = *r.fit;
  ordered_json result = {{"config", r.config}, {"fits", fit.fits()}, {"matched", fit.matched}};
  auto& missing = result["missing"] = ordered_json::array();
  for (const auto& e : fit.missing)
    missing.push_back({{"name", e.name}, {"shape", dims_json(e.shape)}});
  result["unexpected"] = names_json(fit.unexpected);
  auto& mismatched = result["mismatched"] = ordered_json::array();
  for (const auto& m : fit.mismatched)
    mismatched.push_back({{"name", m.found->name},
                          {"shape", m.found->shape},
                          {"expected", dims_json(m.expected.shape)}});
  result["left_out"] = names_json(fit.left_out);
  return result;
}

}  // namespace

Table checkpoint_tree_table(const CheckpointReport& r, TreeOptions options) {
  options.marks = types_by_module(r);
  const auto& tree = *r.tree;
  const auto all = std::max(tree.bytes.sum().as_double(), 1.0);
  Table table{
      {{"module"}, {"dtype"}, {"shape"}, {"params", true}, {"bytes", true}, kShareColumn}, {}, {}};
  bool folded = false;
  for (const auto& line : tree_lines(tree.graph, options, {})) {
    folded = folded || line.repeat > 1;
    const auto indent = std::string(2 * line.level, ' ') + line.label;
    auto row = [&](const std::string& type, const std::string& shape, Count params, Count bytes) {
      const auto share = bytes.as_double() * static_cast<double>(line.times) / all;
      table.rows.push_back({indent, type, shape, params == Count(0) ? "-" : grouped(params),
                            binary_bytes(bytes), percent(share)});
    };
    if (line.param != kNone) {
      const auto& t = r.checkpoint->tensors[line.param];
      row(std::string(t.type->name), shape_text(t.shape), t.type->floating ? t.elements() : 0,
          t.bytes());
    } else {
      row(tree.graph.modules[line.module].type, "", tree.params.total[line.module],
          tree.bytes.total[line.module]);
    }
  }
  if (folded) table.notes.emplace_back(kFoldNote);
  return table;
}

Table checkpoint_tensors(const Checkpoint& checkpoint) {
  Table table{
      {{"name"}, {"dtype"}, {"shape"}, {"elements", true}, {"bytes", true}, {"file"}}, {}, {}};
  for (const auto& t : checkpoint.tensors)
    table.rows.push_back({t.name, std::string(t.type->name), shape_text(t.shape),
                          fmt::format("{}", t.elements()), fmt::format("{}", t.bytes()),
                          checkpoint.files[t.file].path});
  return table;
}

std::string checkpoint_totals(const CheckpointReport& r) {
  const auto& c = *r.checkpoint;
  auto text = fmt::format("{} in {}: {} parameters, {} of tensors + {} of header\n",
                          plural(c.tensors.size(), "tensor"), plural(c.files.size(), "file"),
                          grouped(r.tree->params.sum()), binary_bytes(r.tree->bytes.sum()),
                          binary_bytes(header_bytes(c)));
  for (const auto& [type, total] : by_type(c))
    text += fmt::format("  {}: {}, {} elements, {}\n", type, plural(total.tensors, "tensor"),
                        grouped(total.elements), binary_bytes(total.bytes));
  for (const auto& [name, stored] : c.shared)
    text += fmt::format("  {} is shared: stored as {}\n", name, stored);
  for (const auto& remark : c.remarks) text += remark + "\n";
  if (r.fit != nullptr) text += fit_text(r);
  return text;
}

ordered_json checkpoint_json(const CheckpointReport& r) {
  const auto& c = *r.checkpoint;
  const auto& tree = *r.tree;
  ordered_json result = ordered_json::object();
  result["schema_version"] = 1;
  result["model"] = c.name;
  result["totals"] = {
      {"params", tree.params.sum().value()}, {"elements", tree.elements.sum().value()},
      {"bytes", tree.bytes.sum().value()},   {"header_bytes", header_bytes(c).value()},
      {"tensors", c.tensors.size()},         {"files", c.files.size()}};
  auto& types = result["dtypes"] = ordered_json::object();
  for (const auto& [type, total] : by_type(c))
    types[std::string(type)] = {{"tensors", total.tensors},
                                {"elements", total.elements.value()},
                                {"bytes", total.bytes.value()}};
  auto& layers = result["layers"] = ordered_json::array();
  for (ModuleId id = 0; id < tree.graph.modules.size(); ++id)
    layers.push_back({{"path", tree.graph.modules[id].path},
                      {"type", "Tensors"},
                      {"dtype", tree.graph.modules[id].type},
                      {"params", tree.params.own[id].value()},
                      {"bytes", tree.bytes.own[id].value()}});
  auto& tensors = result["tensors"] = ordered_json::array();
  for (const auto& t : c.tensors)
    tensors.push_back({{"name", t.name},
                       {"dtype", t.type->name},
                       {"shape", t.shape},
                       {"bytes", t.bytes().value()}});
  result["params_by_child"] = children_json(r);
  result["shared"] = c.shared;
  result["metadata"] = c.metadata;
  result["remarks"] = c.remarks;
  result["check"] = r.fit == nullptr ? ordered_json(nullptr) : fit_json(r);
  return result;
}

std::string misfit_text(const CheckpointFit& fit) {
  auto text = fmt::format("{} of the model's {} tensors fit", fit.matched,
                          fit.matched + fit.missing.size() + fit.mismatched.size());
  text += prefix_text(fit);
  text += listed("missing", fit.missing,
                 [](const auto& e) { return e.name + " " + to_string(e.shape); });
  text += listed("unexpected", fit.unexpected,
                 [](const auto* t) { return t->name + " " + shape_text(t->shape); });
  text += listed("of another shape", fit.mismatched, [](const auto& m) {
    return fmt::format("{} is {}, expected {}", m.found->name, shape_text(m.found->shape),
                       to_string(m.expected.shape));
  });
  return text;
}

}  // namespace vitals
