// Where a number comes from: every quantity of a module as a sum of terms, each a formula with its
// numbers put in and its source, or the total of a child, which can be explained in turn.
#pragma once

#include "conventions/conventions.h"
#include "cost/rollup.h"
#include "cost/training_flops.h"
#include "graph/graph.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct ExplainedTerm {
  std::string part;     // "linear", "weight", a child's path
  std::string formula;  // "rows x in x out"; empty for a child
  std::string numbers;  // "197 x 768 x 2304"
  Count value;
  std::string source;
};

// The terms sum to the value.
struct ExplainedQuantity {
  std::string name;  // "macs", "params", "bytes", ...
  std::string unit;
  Count value;
  std::vector<ExplainedTerm> terms;
};

struct Explanation {
  std::string path;  // "" is the model
  std::string type;
  std::vector<ExplainedQuantity> quantities;
};

// A module's own terms behind the totals of its children; numbered children in a row that are alike
// are one term.
[[nodiscard]] ExplainedQuantity explained_quantity(const Graph& graph, ModuleId module,
                                                   std::string_view name, std::string_view unit,
                                                   std::vector<ExplainedTerm> own,
                                                   const Rollup& rollup);

// The module or the parameter of a path; "" or "." is the model. Throws Error with the nearest
// known paths for an unknown one.
struct Place {
  ModuleId module = kNone;
  ParamId param = kNone;
};
[[nodiscard]] Place place_of(const Graph& graph, const std::string& path);

// What an explanation reads: the model as it is evaluated and as it is trained.
struct ExplainContext {
  const Graph& graph;
  const Graph& training;
  ActivationCheckpointing checkpoint = ActivationCheckpointing::none;
};

// `path` names a module, or a parameter ("blocks.0.attn.qkv.weight"); "" or "." is the whole model.
// Explains the parameters, what the conventions count, the training FLOPs, the exact arithmetic and
// the bytes moved. Throws Error with the nearest known paths for an unknown one.
[[nodiscard]] Explanation explain(const ExplainContext& context, const std::string& path,
                                  const std::vector<const Convention*>& conventions);

}  // namespace vitals
