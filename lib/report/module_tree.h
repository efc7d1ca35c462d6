// The module tree as lines: nested, cut at a depth, runs of identical siblings folded into one line
// ("0-11 (12x)"). Every tree report prints these lines with its own columns.
#pragma once

#include "graph/graph.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct TreeOptions {
  std::optional<std::size_t> depth;  // levels below the model; nothing: all
  bool fold = true;
  std::vector<std::string> marks = {};  // by ModuleId: what else must be equal for modules to fold
  bool working = false;                 // only modules that multiply, where a table asks for work
};

struct TreeLine {
  std::size_t level = 0;
  std::string label;  // "attn", "0-11 (12x)", "cls_token"
  ModuleId module = 0;
  ParamId param = kNone;     // the line is this parameter of `module`
  bool own_ops = false;      // the line is the ops that `module` runs itself, outside its children
  std::uint64_t repeat = 1;  // the line stands for so many siblings; its figures are those of one
  std::uint64_t times = 1;   // repeat, times that of all folded lines around it
};

// What a table with folded lines says below.
inline constexpr std::string_view kFoldNote =
    "(Nx): N alike; figures are those of one, shares those of all N.";

// A module's own part of what the table shows, by ModuleId (Rollup::own), one vector a quantity.
using OwnFigures = std::vector<const std::vector<Count>*>;

// Lines that sum: beside its child modules a module shows its own parameters, and its own ops where
// these have a part in any of the figures. Siblings fold only if all figures are alike.
[[nodiscard]] std::vector<TreeLine> tree_lines(const Graph& graph, const TreeOptions& options,
                                               const OwnFigures& own);

}  // namespace vitals
