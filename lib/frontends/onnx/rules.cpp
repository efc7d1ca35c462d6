#include "frontends/onnx/rules.h"

#include "frontends/onnx/read.h"

#include <fmt/format.h>

#include <unordered_map>

namespace vitals::onnx {
namespace {

using Table = std::unordered_map<std::string_view, Rule>;

Table joined(std::initializer_list<RuleTable> tables) {
  Table all;
  for (const auto& table : tables)
    for (const auto& entry : table) all.emplace(entry.type, entry.rule);
  return all;
}

// A weight is no shape arithmetic, though its numbers stand in the file: floats of any size but
// single numbers that a constant-folding exporter left behind.
bool is_weight(const Value& value) {
  if (value.initializer == nullptr || !is_real(value.type)) return false;
  const auto name = value.initializer->name;
  const bool folded =
      name.find("::") != std::string_view::npos || name.find('/') != std::string_view::npos;
  return !(value.dims.empty() && folded);
}

}  // namespace

ValueId OpContext::id(std::size_t i) const {
  if (!has(i)) fail("input {} is missing", i);
  return inputs_[i];
}

const Extents& OpContext::dims(std::size_t i) const {
  const auto& value = in(i);
  if (!value.shaped) throw UnknownShape{};
  return value.dims;
}

const Numbers* OpContext::numbers(std::size_t i) const {
  if (!has(i)) return nullptr;
  auto& value = values_[inputs_[i]];
  if (value.constant == nullptr && value.initializer != nullptr)
    if (auto read = values_of(model_, *value.initializer, kMaxConstant))
      value.constant = std::make_shared<Numbers>(std::move(*read));
  return value.constant.get();
}

const std::vector<std::int64_t>& OpContext::integers(std::size_t i) const {
  (void)id(i);
  const auto* found = numbers(i);
  if (found == nullptr || found->real) throw UnknownShape{};
  return found->integers;
}

bool OpContext::foldable() const {
  for (const auto id : inputs_) {
    if (id == kAbsent) continue;
    const auto& value = values_[id];
    if (value.constant == nullptr && (value.initializer == nullptr || value.initializer->external))
      return false;
    if (is_weight(value) || value.is_sequence) return false;
    if (numel(value.dims) > Count(kMaxConstant)) return false;
  }
  for (std::size_t i = 0; i < count(); ++i)
    if (has(i) && numbers(i) == nullptr) return false;
  return true;
}

std::int64_t OpContext::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* a = find(name);
  return a == nullptr ? otherwise : a->i;
}

double OpContext::real(std::string_view name, double otherwise) const {
  const auto* a = find(name);
  return a == nullptr ? otherwise : a->f;
}

std::string_view OpContext::text(std::string_view name, std::string_view otherwise) const {
  const auto* a = find(name);
  return a == nullptr ? otherwise : a->s;
}

Extents OpContext::list(std::string_view name) const {
  const auto* a = find(name);
  return a == nullptr ? Extents{} : a->ints;
}

std::size_t OpContext::axis(std::int64_t axis, std::size_t rank) const {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) fail("axis {} is outside a tensor of {} dimensions", axis, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

Rule rule_of(std::string_view domain, std::string_view type) {
  static const Table standard =
      joined({elementwise_rules(), view_rules(), indexing_rules(), product_rules(),
              convolution_rules(), pooling_rules(), reduction_rules(), generator_rules(),
              normalization_rules(), recurrent_rules(), sequence_rules(), detection_rules()});
  static const Table microsoft = joined({microsoft_rules()});
  const bool own = domain.empty() || domain == "ai.onnx" || domain == "ai.onnx.ml";
  if (!own && domain != "com.microsoft") return nullptr;
  const auto& table = own ? standard : microsoft;
  auto found = table.find(type);
  if (found != table.end()) return found->second;
  // What ONNX Runtime had before ONNX did has the same meaning in both domains.
  if (own) return nullptr;
  found = standard.find(type);
  return found == standard.end() ? nullptr : found->second;
}

Value tensor(DataType type, Extents dims) {
  Value value;
  value.type = type;
  value.shaped = true;
  for (const auto d : dims)
    if (d < 0) fail("a dimension of the result is {}", d);
  value.dims = std::move(dims);
  return value;
}

Inferred one(Value value) {
  Inferred inferred;
  inferred.outputs.push_back(std::move(value));
  return inferred;
}

Inferred same_as(const OpContext& c, std::size_t input) {
  return one(tensor(c.type(input), c.dims(input)));
}

Extents broadcast(const Extents& a, const Extents& b) {
  const auto& longer = a.size() >= b.size() ? a : b;
  const auto& shorter = a.size() >= b.size() ? b : a;
  Extents result = longer;
  const auto offset = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    auto& d = result[offset + i];
    if (d == shorter[i] || shorter[i] == 1) continue;
    if (d != 1) fail("shapes {} and {} do not broadcast", to_string(a), to_string(b));
    d = shorter[i];
  }
  return result;
}

std::shared_ptr<const Numbers> strided(const Numbers& from, const Extents& to, std::int64_t base,
                                       const Extents& strides) {
  if (numel(to) > Count(kMaxConstant)) return nullptr;
  const auto n = static_cast<std::size_t>(numel(to).value());
  auto out = std::make_shared<Numbers>();
  out->real = from.real;
  Extents at(to.size(), 0);
  auto position = base;
  for (std::size_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(position);
    if (position < 0 || k >= from.size()) fail("an index is outside {} elements", from.size());
    if (out->real)
      out->reals.push_back(from.reals[k]);
    else
      out->integers.push_back(from.integers[k]);
    for (std::size_t d = to.size(); d-- > 0;) {
      position += strides[d];
      if (++at[d] < to[d]) break;
      position -= strides[d] * to[d];
      at[d] = 0;
    }
  }
  return out;
}

Extents dense_strides(const Extents& dims) {
  Extents strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

Value of_integers(DataType type, Extents dims, std::vector<std::int64_t> integers) {
  auto value = tensor(type, std::move(dims));
  auto numbers = std::make_shared<Numbers>();
  numbers->integers = std::move(integers);
  value.constant = std::move(numbers);
  return value;
}

std::string qualified(const Node& node) {
  if (node.domain.empty() || node.domain == "ai.onnx") return std::string(node.type);
  return fmt::format("{}::{}", node.domain, node.type);
}

Count numel(const Extents& dims) {
  Count n = 1;
  for (const auto d : dims) n *= static_cast<std::uint64_t>(d);
  return n;
}

std::string to_string(const Extents& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

}  // namespace vitals::onnx
