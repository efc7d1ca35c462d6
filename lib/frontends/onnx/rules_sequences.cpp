// Sequences of tensors and optional values. A sequence is the list of its items, so that what is
// taken out is the very value that was put in.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>

namespace vitals::onnx {
namespace {

Value sequence(std::vector<ValueId> items) {
  Value value;
  value.is_sequence = true;
  value.items = std::move(items);
  return value;
}

const Value& sequence_of(const OpContext& c, std::size_t i) {
  const auto& value = c.in(i);
  if (!value.is_sequence) throw UnknownShape{};
  return value;
}

// A position, from the end where it is negative.
std::size_t position(const OpContext& c, std::size_t i, std::size_t size) {
  const auto& stated = c.integers(i);
  if (stated.size() != 1) fail("a position is one number");
  const auto at = stated[0] < 0 ? stated[0] + static_cast<std::int64_t>(size) : stated[0];
  if (at < 0 || at > static_cast<std::int64_t>(size))
    fail("position {} is outside a sequence of {}", stated[0], size);
  return static_cast<std::size_t>(at);
}

Inferred empty(const OpContext&) { return one(sequence({})); }

Inferred construct(const OpContext& c) {
  std::vector<ValueId> items;
  for (std::size_t i = 0; i < c.count(); ++i) items.push_back(c.id(i));
  return one(sequence(std::move(items)));
}

Inferred insert(const OpContext& c) {
  auto items = sequence_of(c, 0).items;
  const auto at = c.has(2) ? position(c, 2, items.size()) : items.size();
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), c.id(1));
  return one(sequence(std::move(items)));
}

Inferred erase(const OpContext& c) {
  auto items = sequence_of(c, 0).items;
  if (items.empty()) fail("nothing can be taken from an empty sequence");
  const auto at = c.has(1) ? position(c, 1, items.size()) : items.size() - 1;
  if (at == items.size()) fail("position {} is outside a sequence of {}", at, items.size());
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return one(sequence(std::move(items)));
}

Inferred at(const OpContext& c) {
  const auto& items = sequence_of(c, 0).items;
  const auto k = position(c, 1, items.size());
  if (k == items.size()) fail("position {} is outside a sequence of {}", k, items.size());
  auto value = c.values()[items[k]];
  value.alias = items[k];
  return one(std::move(value));
}

Inferred length(const OpContext& c) {
  const auto n = sequence_of(c, 0).items.size();
  return one(of_integers(DataType::int64, {}, {static_cast<std::int64_t>(n)}));
}

Inferred concat_from(const OpContext& c) {
  const auto& items = sequence_of(c, 0).items;
  if (items.empty()) fail("an empty sequence has no shape");
  const bool stack = c.integer("new_axis", 0) != 0;
  auto first = c.values()[items[0]];
  if (!first.shaped) throw UnknownShape{};
  Extents to = first.dims;
  const auto axis = c.axis(c.integer("axis", 0), to.size() + (stack ? 1 : 0));
  if (stack) {
    to.insert(to.begin() + static_cast<std::ptrdiff_t>(axis),
              static_cast<std::int64_t>(items.size()));
  } else {
    to[axis] = 0;
    for (const auto id : items) {
      const auto& item = c.values()[id];
      if (!item.shaped || item.dims.size() != to.size()) throw UnknownShape{};
      to[axis] += item.dims[axis];
    }
  }
  return one(tensor(first.type, std::move(to)));
}

// Pieces of stated or equal lengths along an axis; new values, one each piece.
Inferred split_to(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto axis = c.axis(c.integer("axis", 0), from.size());
  Extents lengths;
  bool drop = false;
  if (!c.has(1)) {
    lengths.assign(static_cast<std::size_t>(std::min<std::int64_t>(from[axis], 1 << 20)), 1);
    drop = c.integer("keepdims", 1) == 0;
  } else if (c.dims(1).empty()) {
    const auto each = c.integers(1).at(0);
    if (each < 1) fail("pieces of {} are not possible", each);
    for (auto left = from[axis]; left > 0 && lengths.size() < (1U << 20U); left -= each)
      lengths.push_back(std::min(left, each));
  } else {
    lengths = c.integers(1);
  }
  std::vector<ValueId> items;
  const auto type = c.type(0);
  const Extents whole = from;
  for (const auto n : lengths) {
    Extents to = whole;
    to[axis] = n;
    if (drop) to.erase(to.begin() + static_cast<std::ptrdiff_t>(axis));
    items.push_back(static_cast<ValueId>(c.values().size()));
    c.values().push_back(tensor(type, std::move(to)));
  }
  return one(sequence(std::move(items)));
}

Inferred optional(const OpContext& c) {
  if (!c.has(0)) throw UnknownShape{};
  auto value = c.in(0);
  value.alias = c.id(0);
  return one(std::move(value));
}

Inferred has_element(const OpContext&) { return one(tensor(DataType::boolean, {})); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"ConcatFromSequence", concat_from},
    {"Optional", optional},
    {"OptionalGetElement", optional},
    {"OptionalHasElement", has_element},
    {"SequenceAt", at},
    {"SequenceConstruct", construct},
    {"SequenceEmpty", empty},
    {"SequenceErase", erase},
    {"SequenceInsert", insert},
    {"SequenceLength", length},
    {"SplitToSequence", split_to},
});

}  // namespace

RuleTable sequence_rules() { return kRules; }

}  // namespace vitals::onnx
