// Ops that pick elements: slices, gathers, scatters, the largest, those that are not zero.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>

namespace vitals::onnx {
namespace {

Numbers picked(const Numbers& from, const std::vector<std::size_t>& at) {
  Numbers out;
  out.real = from.real;
  for (const auto i : at) {
    if (i >= from.size()) fail("an index is outside the {} elements", from.size());
    if (out.real)
      out.reals.push_back(from.reals[i]);
    else
      out.integers.push_back(from.integers[i]);
  }
  return out;
}

struct Range {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t length = 0;
};

// numpy's x[start:end:step] of a dimension.
Range range_of(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (step == 0) fail("a step is 0");
  auto bound = [&](std::int64_t i) {
    if (i < 0) i = i < -size ? -1 : i + size;
    return step > 0 ? std::clamp<std::int64_t>(i, 0, size)
                    : std::clamp<std::int64_t>(i, -1, size - 1);
  };
  const auto first = bound(start);
  const auto last = bound(end);
  const auto span = step > 0 ? last - first : first - last;
  const auto stride = step > 0 ? step
                      : step == std::numeric_limits<std::int64_t>::min()
                          ? std::numeric_limits<std::int64_t>::max()
                          : -step;
  return {first, step, span <= 0 ? 0 : (span - 1) / stride + 1};
}

Inferred slice(const OpContext& c) {
  Extents to = c.dims(0);
  const bool old = c.opset() < 10;
  const auto starts = old ? c.list("starts") : c.integers(1);
  const auto ends = old ? c.list("ends") : c.integers(2);
  auto axes = old ? c.list("axes") : c.has(3) ? c.integers(3) : Extents{};
  const auto steps = !old && c.has(4) ? c.integers(4) : Extents{};
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      (!steps.empty() && steps.size() != starts.size()))
    fail("starts, ends, axes and steps differ in length");
  std::vector<Range> ranges(to.size());
  for (std::size_t i = 0; i < to.size(); ++i) ranges[i] = {0, 1, to[i]};
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = c.axis(axes[i], to.size());
    ranges[axis] = range_of(c.dims(0)[axis], starts[i], ends[i], steps.empty() ? 1 : steps[i]);
    to[axis] = ranges[axis].length;
  }
  auto value = tensor(c.type(0), to);
  if (c.foldable()) {
    auto strides = dense_strides(c.dims(0));
    std::int64_t base = 0;
    for (std::size_t i = 0; i < to.size(); ++i) {
      base += ranges[i].start * strides[i];
      strides[i] *= ranges[i].step;
    }
    value.constant = strided(*c.numbers(0), to, base, strides);
  }
  return one(std::move(value));
}

// Where the elements of a gather stand: a row of what is behind the axis for each index, as often
// as there are elements before it.
std::vector<std::size_t> rows_of(const OpContext& c, std::size_t axis) {
  const auto& from = c.dims(0);
  const auto strides = dense_strides(from);
  const auto before =
      numel(Extents(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(axis)));
  const auto width = strides[axis];
  std::vector<std::size_t> at;
  for (std::int64_t r = 0; r < static_cast<std::int64_t>(before.value()); ++r)
    for (auto i : c.integers(1)) {
      if (i < -from[axis] || i >= from[axis]) fail("index {} is outside {}", i, to_string(from));
      if (i < 0) i += from[axis];
      for (std::int64_t k = 0; k < width; ++k)
        at.push_back(static_cast<std::size_t>((r * from[axis] + i) * width + k));
    }
  return at;
}

Inferred gather(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto& index = c.dims(1);
  const auto axis = c.axis(c.integer("axis", 0), from.size());
  Extents to(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(axis));
  to.insert(to.end(), index.begin(), index.end());
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(axis) + 1, from.end());
  auto value = tensor(c.type(0), to);
  if (c.foldable() && numel(to) <= Count(kMaxConstant))
    value.constant = std::make_shared<Numbers>(picked(*c.numbers(0), rows_of(c, axis)));
  return one(std::move(value));
}

Inferred gather_elements(const OpContext& c) { return one(tensor(c.type(0), c.dims(1))); }

Inferred gather_nd(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto& index = c.dims(1);
  const auto batch =
      static_cast<std::size_t>(std::max<std::int64_t>(c.integer("batch_dims", 0), 0));
  if (index.empty()) fail("indices have no dimension");
  const auto depth = static_cast<std::size_t>(index.back());
  if (batch + depth > from.size())
    fail("indices {} do not fit {}", to_string(index), to_string(from));
  Extents to(index.begin(), index.end() - 1);
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(batch + depth), from.end());
  return one(tensor(c.type(0), std::move(to)));
}

// Elements of a copy are replaced. Shape arithmetic of fixed sizes scatters single numbers.
Inferred scatter(const OpContext& c) {
  auto result = same_as(c);
  auto& value = result.outputs[0];
  if (c.node().type != "ScatterND" || !c.foldable() || value.dims.size() != 1) return result;
  const auto& index = c.dims(1);
  if (index.empty() || index.back() != 1) return result;
  auto out = std::make_shared<Numbers>(*c.numbers(0));
  const auto& updates = *c.numbers(2);
  const auto& at = c.integers(1);
  if (updates.real != out->real || updates.size() != at.size()) return result;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const auto k = static_cast<std::size_t>(at[i] < 0 ? at[i] + value.dims[0] : at[i]);
    if (k >= out->size()) fail("index {} is outside {}", at[i], to_string(value.dims));
    if (out->real)
      out->reals[k] = updates.reals[i];
    else
      out->integers[k] = updates.integers[i];
  }
  value.constant = std::move(out);
  return result;
}

Inferred topk(const OpContext& c) {
  Extents to = c.dims(0);
  const auto axis = c.axis(c.integer("axis", -1), to.size());
  const auto k = c.opset() < 10 ? c.integer("k", 0) : c.integers(1).at(0);
  if (k < 0 || k > to[axis]) fail("the {} largest of {} elements are asked for", k, to[axis]);
  to[axis] = k;
  auto r = one(tensor(c.type(0), to));
  r.outputs.push_back(tensor(DataType::int64, to));
  return r;
}

// [rank, count]: all elements, where the numbers are not known.
Inferred non_zero(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto rank = static_cast<std::int64_t>(from.size());
  if (c.foldable()) {
    const auto& n = *c.numbers(0);
    std::vector<std::int64_t> found;
    for (std::size_t i = 0; i < n.size(); ++i)
      if (n.real ? n.reals[i] != 0 : n.integers[i] != 0)
        found.push_back(static_cast<std::int64_t>(i));
    const auto count = static_cast<std::int64_t>(found.size());
    if (rank == 1) return one(of_integers(DataType::int64, {1, count}, std::move(found)));
    return one(tensor(DataType::int64, {rank, count}));
  }
  auto value = tensor(DataType::int64, {rank, static_cast<std::int64_t>(numel(from).value())});
  value.bounded = true;
  return one(std::move(value));
}

Inferred compress(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto* kept = c.numbers(1);
  std::int64_t count = 0;
  if (kept != nullptr)
    count = std::count_if(kept->integers.begin(), kept->integers.end(),
                          [](std::int64_t x) { return x != 0; });
  Value value;
  if (const auto* a = c.find("axis"); a != nullptr) {
    Extents to = from;
    auto& d = to[c.axis(a->i, from.size())];
    d = kept != nullptr ? count : std::min(d, c.dims(1).at(0));
    value = tensor(c.type(0), std::move(to));
  } else {
    const auto all = static_cast<std::int64_t>(numel(from).value());
    value = tensor(c.type(0), {kept != nullptr ? count : std::min(all, c.dims(1).at(0))});
  }
  value.bounded = kept == nullptr;
  return one(std::move(value));
}

Inferred unique(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto all = static_cast<std::int64_t>(numel(from).value());
  Extents to = {all};
  std::int64_t n = all;
  if (const auto* a = c.find("axis"); a != nullptr) {
    to = from;
    n = to[c.axis(a->i, from.size())];
  }
  Inferred r = one(tensor(c.type(0), std::move(to)));
  for (int i = 0; i < 3; ++i) r.outputs.push_back(tensor(DataType::int64, {n}));
  for (auto& value : r.outputs) value.bounded = true;
  return r;
}

Inferred one_hot(const OpContext& c) {
  Extents to = c.dims(0);
  const auto* depth = c.numbers(1);
  if (depth == nullptr || depth->size() != 1) throw UnknownShape{};
  const auto n = depth->real ? static_cast<std::int64_t>(depth->reals[0]) : depth->integers[0];
  const auto axis = c.axis(c.integer("axis", -1), to.size() + 1);
  to.insert(to.begin() + static_cast<std::ptrdiff_t>(axis), n);
  return one(tensor(c.type(2), std::move(to)));
}

Inferred trilu(const OpContext& c) { return same_as(c); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"Compress", compress},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd},
    {"NonZero", non_zero},
    {"OneHot", one_hot},
    {"Scatter", scatter},
    {"ScatterElements", scatter},
    {"ScatterND", scatter},
    {"Slice", slice},
    {"TopK", topk},
    {"TensorScatter", scatter},
    {"Trilu", trilu},
    {"Unique", unique},
});

}  // namespace

RuleTable indexing_rules() { return kRules; }

}  // namespace vitals::onnx
