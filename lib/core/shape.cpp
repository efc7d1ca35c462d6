#include "core/shape.h"

#include <fmt/format.h>

#include <numeric>

namespace vitals {

Count numel(const Shape& shape) {
  Count n = 1;
  for (auto d : shape) n *= d;
  return n;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = shape;
  Count step = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step.value();
    step *= std::max<std::uint64_t>(shape[i], 1);
  }
  return strides;
}

bool is_contiguous(const Shape& shape, const Strides& strides) {
  std::uint64_t step = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}

bool is_channels_last(const Shape& shape, const Strides& strides) {
  if (shape.rank() != 4 || strides[1] == 0) return false;
  std::uint64_t least = 0;
  for (const std::size_t d : {1U, 3U, 2U, 0U}) {
    if (shape[d] == 0 || strides[d] < least) return false;
    if (d == 0 && least == strides[1]) return false;
    least = strides[d] * shape[d];
  }
  return true;
}

Strides channels_last_strides(const Shape& images) {
  const auto s = contiguous_strides({images[0], images[2], images[3], images[1]});
  return {s[0], s[3], s[1], s[2]};
}

std::optional<Strides> view_strides(const Shape& shape, const Strides& strides,
                                    const Shape& target) {
  if (is_contiguous(shape, strides)) return contiguous_strides(target);
  Strides result = target;
  // Walk both shapes from the back; a chunk is a run of old dimensions that lie densely in memory.
  auto next = static_cast<int>(target.rank()) - 1;
  std::uint64_t base = strides.empty() ? 1 : strides.at(-1);
  std::uint64_t chunk = 1;
  std::uint64_t used = 1;
  for (auto d = static_cast<int>(shape.rank()) - 1; d >= 0; --d) {
    const auto i = static_cast<std::size_t>(d);
    chunk *= shape[i];
    const bool chunk_ends = d == 0 || (shape[i - 1] != 1 && strides[i - 1] != chunk * base);
    if (!chunk_ends) continue;
    while (next >= 0 && (used < chunk || target[static_cast<std::size_t>(next)] == 1)) {
      result[static_cast<std::size_t>(next)] = used * base;
      used *= target[static_cast<std::size_t>(next)];
      --next;
    }
    if (used != chunk) return std::nullopt;
    if (d > 0) {
      base = strides[i - 1];
      chunk = 1;
      used = 1;
    }
  }
  if (next != -1) return std::nullopt;
  return result;
}

Strides elementwise_strides(const Shape& shape, const Strides& strides) {
  std::array<std::size_t, kMaxRank> order{};
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(shape.rank());
  std::iota(order.begin(), last, 0);
  std::stable_sort(order.begin(), last, [&](auto a, auto b) { return strides[a] > strides[b]; });
  Strides result = shape;
  std::uint64_t step = 1;
  for (auto it = last; it-- != order.begin();) {
    if (shape[*it] != 1 && strides[*it] != step) return contiguous_strides(shape);
    result[*it] = step;
    step *= shape[*it];
  }
  return result;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const auto& longer = a.rank() >= b.rank() ? a : b;
  const auto& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  const auto offset = longer.rank() - shorter.rank();
  for (std::size_t i = 0; i < shorter.rank(); ++i) {
    const auto x = longer[offset + i];
    const auto y = shorter[i];
    if (x != y && x != 1 && y != 1) return std::nullopt;
    result[offset + i] = x == 1 ? y : x;
  }
  return result;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace vitals
