// Shape rules: what an op of ONNX makes of its inputs, op by op in files of their kinds
// (rules_*.cpp). A rule gives the outputs' types and dimensions, their numbers where the inputs'
// are known, and the multiply-accumulates. Must not know graphs, modules or the trace.
#pragma once

#include "frontends/onnx/value.h"

#include <optional>
#include <span>
#include <string_view>

namespace vitals::onnx {

// Thrown by a rule that cannot know a shape: it depends on data, or on what is unknown itself.
struct UnknownShape {};

// An op with its inputs, as a rule sees it.
class OpContext {
 public:
  OpContext(const Model& model, const Node& node, std::int64_t opset, std::vector<Value>& values,
            std::span<const ValueId> inputs)
      : model_(model), node_(node), opset_(opset), values_(values), inputs_(inputs) {}

  [[nodiscard]] std::int64_t opset() const { return opset_; }
  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] std::size_t count() const { return inputs_.size(); }
  [[nodiscard]] bool has(std::size_t i) const { return i < count() && inputs_[i] != kAbsent; }
  [[nodiscard]] ValueId id(std::size_t i) const;

  // Throws Error where it was left out.
  [[nodiscard]] const Value& in(std::size_t i) const { return values_[id(i)]; }
  [[nodiscard]] DataType type(std::size_t i) const { return in(i).type; }
  // Throws UnknownShape.
  [[nodiscard]] const Extents& dims(std::size_t i) const;
  [[nodiscard]] std::size_t rank(std::size_t i) const { return dims(i).size(); }
  // The numbers of an input; null where they are not known.
  [[nodiscard]] const Numbers* numbers(std::size_t i) const;
  // The same of integers; throws UnknownShape where they are not known.
  [[nodiscard]] const std::vector<std::int64_t>& integers(std::size_t i) const;
  // Whether the numbers of all inputs depend on sizes alone, so that the op is shape arithmetic.
  // Weights do not count as such.
  [[nodiscard]] bool foldable() const;

  [[nodiscard]] const Attribute* find(std::string_view name) const { return node_.find(name); }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] double real(std::string_view name, double otherwise) const;
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view otherwise) const;
  [[nodiscard]] Extents list(std::string_view name) const;  // empty where it is not there
  [[nodiscard]] std::size_t axis(std::int64_t axis, std::size_t rank) const;

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] std::vector<Value>& values() const { return values_; }

 private:
  const Model& model_;
  const Node& node_;
  std::int64_t opset_;
  std::vector<Value>& values_;
  std::span<const ValueId> inputs_;
};

struct Inferred {
  std::vector<Value> outputs;
  Count macs;
};

using Rule = Inferred (*)(const OpContext&);

// The rule of an op; null: unknown.
[[nodiscard]] Rule rule_of(std::string_view domain, std::string_view type);

// One kind of rules each: an op's name and its rule.
struct RuleEntry {
  std::string_view type;
  Rule rule;
};
using RuleTable = std::span<const RuleEntry>;
[[nodiscard]] RuleTable elementwise_rules();
[[nodiscard]] RuleTable view_rules();
[[nodiscard]] RuleTable indexing_rules();
[[nodiscard]] RuleTable product_rules();
[[nodiscard]] RuleTable convolution_rules();
[[nodiscard]] RuleTable pooling_rules();
[[nodiscard]] RuleTable reduction_rules();
[[nodiscard]] RuleTable generator_rules();
[[nodiscard]] RuleTable normalization_rules();
[[nodiscard]] RuleTable recurrent_rules();
[[nodiscard]] RuleTable sequence_rules();
[[nodiscard]] RuleTable detection_rules();
[[nodiscard]] RuleTable microsoft_rules();  // of the domain com.microsoft

// Helpers of rules.
[[nodiscard]] Value tensor(DataType type, Extents dims);
[[nodiscard]] Inferred one(Value value);
[[nodiscard]] Inferred same_as(const OpContext& c, std::size_t input = 0);
// numpy's rule; throws Error where shapes do not fit.
[[nodiscard]] Extents broadcast(const Extents& a, const Extents& b);
// The numbers at base + the sum of strides times coordinates, for every coordinate of `to`; null
// where these are more than are evaluated.
[[nodiscard]] std::shared_ptr<const Numbers> strided(const Numbers& from, const Extents& to,
                                                     std::int64_t base, const Extents& strides);
// Strides of a tensor whose elements stand one after the other, the last dimension fastest.
[[nodiscard]] Extents dense_strides(const Extents& dims);
[[nodiscard]] Value of_integers(DataType type, Extents dims, std::vector<std::int64_t> integers);

}  // namespace vitals::onnx
