// The field's rules of thumb beside the exact figures of a model, line by line: parameters and
// FLOPs of a layer and of the model, bytes of training, activations, training compute, and the
// comparison of layer types of "Attention Is All You Need". Knows no output format.
#pragma once

#include "cost/formula.h"
#include "graph/graph.h"
#include "rules/model_sizes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

enum class RuleUnit : std::uint8_t { parameters, flops, bytes, operations };
[[nodiscard]] std::string_view name_of(RuleUnit unit);

struct FieldRule {
  std::string section;   // "parameters of a layer"
  std::string quantity;  // "attention"
  Formula rule;
  RuleUnit unit = RuleUnit::parameters;
  std::optional<Count> exact;  // the model's own figure; none where the rule has no counterpart
  std::string remark;          // which term of the rule changes for this model, and how
  std::string source;
  // Of a layer type: operations that must run one after another, and the longest path between two
  // positions (Vaswani et al. 2017, arXiv:1706.03762, table 1).
  std::optional<double> sequential = {};
  std::optional<double> path = {};
};

struct RuleOptions {
  std::uint64_t kernel = 3;   // k of a convolutional layer
  std::uint64_t window = 64;  // r of restricted self-attention
};

struct FieldRules {
  ModelSizes sizes;
  bool equal_layers = true;  // all layers have as many parameters
  std::vector<FieldRule> lines;
  std::vector<std::string> notes;
};

// The model as it is evaluated, and as it is trained with written-out attention.
struct RuleGraphs {
  const Graph& evaluated;
  const Graph& trained;
};

// Throws Error for a model without layers that its architecture marks as such.
[[nodiscard]] FieldRules field_rules(const RuleGraphs& graphs, const RuleOptions& options);

// The operations of one layer over n positions of width d, by the type of the layer (the table
// cited above).
[[nodiscard]] std::vector<FieldRule> layer_types(std::uint64_t positions, std::uint64_t width,
                                                 const RuleOptions& options);

}  // namespace vitals
