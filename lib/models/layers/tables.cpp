#include "models/layers/tables.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <vector>

namespace vitals {
namespace {

// The sines and cosines of one patch's angles, each angle at the two features that it turns.
void write_row(const std::vector<double>& angles, bool half, std::span<float> row) {
  const auto count = angles.size();
  for (std::size_t i = 0; i < count; ++i)
    for (const auto feature : {half ? i : 2 * i, half ? i + count : 2 * i + 1}) {
      row[feature] = static_cast<float>(std::sin(angles[i]));
      row[2 * count + feature] = static_cast<float>(std::cos(angles[i]));
    }
}

// Calls write(row, column, the values of this patch).
template <class F>
void for_each_patch(const RopeTable& t, std::span<float> values, F&& write) {
  assert(values.size() == t.grid.height * t.grid.width * 2 * t.dim);
  for (std::uint64_t y = 0; y < t.grid.height; ++y)
    for (std::uint64_t x = 0; x < t.grid.width; ++x)
      write(static_cast<double>(y), static_cast<double>(x),
            values.subspan((y * t.grid.width + x) * 2 * t.dim, 2 * t.dim));
}

double scaled(double position, std::uint64_t size, std::uint64_t reference) {
  if (reference == 0) return position;
  return position / static_cast<double>(size) * static_cast<double>(reference);
}

// Where a row or column of the rolled grid comes from: 0 the unmoved part, 1 and 2 the two parts of
// the last window.
std::uint64_t region(std::uint64_t i, std::uint64_t size, std::uint64_t window,
                     std::uint64_t shift) {
  if (shift == 0 || i + shift >= size) return 2;
  return i + window >= size ? 1 : 0;
}

}  // namespace

void rope_cat(const RopeTable& t, std::span<float> values) {
  const auto bands = t.dim / 4;
  for_each_patch(t, values, [&](double y, double x, std::span<float> row) {
    const double down = scaled(y + t.grid_offset, t.grid.height, t.reference.height);
    const double across = scaled(x + t.grid_offset, t.grid.width, t.reference.width);
    std::vector<double> angles;
    for (const double position : {t.columns_first ? across : down, t.columns_first ? down : across})
      for (std::uint64_t k = 0; k < bands; ++k)
        angles.push_back(position / std::pow(t.temperature,
                                             static_cast<double>(k) / static_cast<double>(bands)));
    write_row(angles, false, row);
  });
}

void rope_dinov3(const RopeTable& t, bool half, std::span<float> values) {
  const auto bands = t.dim / 4;
  const auto pairs = static_cast<double>(2 * bands);
  const auto centred = [&](double position, std::uint64_t size) {
    return 2 * (position + 0.5 + t.grid_offset) / static_cast<double>(size) - 1;
  };
  for_each_patch(t, values, [&](double y, double x, std::span<float> row) {
    std::vector<double> angles;
    for (const double position : {centred(y, t.grid.height), centred(x, t.grid.width)})
      for (std::uint64_t k = 0; k < bands; ++k) {
        const double exponent = 2 * static_cast<double>(k) / pairs;
        angles.push_back(2 * std::numbers::pi * position / std::pow(t.temperature, exponent));
      }
    write_row(angles, half, row);
  });
}

void grid_positions(const Size2& grid, bool along_columns, std::span<float> values) {
  assert(values.size() == grid.height * grid.width);
  for (std::uint64_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(along_columns ? i % grid.width : i / grid.width);
}

void relative_position_rows(const Size2& window, bool class_token, std::span<std::int64_t> rows) {
  const auto area = window.height * window.width;
  const auto first = class_token ? std::uint64_t{1} : std::uint64_t{0};
  const auto tokens = area + first;
  const auto offsets = (2 * window.height - 1) * (2 * window.width - 1);
  assert(rows.size() == tokens * tokens);
  for (std::uint64_t i = 0; i < tokens; ++i)
    for (std::uint64_t j = 0; j < tokens; ++j) {
      auto& row = rows[i * tokens + j];
      if (i < first || j < first) {
        const std::uint64_t special = i < first ? (j < first ? 2 : 0) : 1;
        row = static_cast<std::int64_t>(offsets + special);
        continue;
      }
      const auto a = i - first;
      const auto b = j - first;
      const auto down = a / window.width + window.height - 1 - b / window.width;
      const auto across = a % window.width + window.width - 1 - b % window.width;
      row = static_cast<std::int64_t>(down * (2 * window.width - 1) + across);
    }
}

void relative_log_coordinates(const Size2& window, bool swin, std::span<float> values) {
  const auto rows = 2 * window.height - 1;
  const auto columns = 2 * window.width - 1;
  assert(values.size() == rows * columns * 2);
  const auto coordinate = [&](std::uint64_t i, std::uint64_t size) {
    const double offset = static_cast<double>(i) - static_cast<double>(size - 1);
    const double x = swin ? 8 * offset / static_cast<double>(size - 1) : offset;
    const double length = swin ? std::log2(1 + std::abs(x)) / 3 : std::log(1 + std::abs(x));
    return static_cast<float>(x < 0 ? -length : length);
  };
  for (std::uint64_t y = 0; y < rows; ++y)
    for (std::uint64_t x = 0; x < columns; ++x) {
      values[(y * columns + x) * 2] = coordinate(y, window.height);
      values[(y * columns + x) * 2 + 1] = coordinate(x, window.width);
    }
}

void shifted_window_mask(const Size2& windows, const Size2& window, const Size2& shift,
                         std::span<float> values) {
  const auto area = window.height * window.width;
  assert(values.size() == windows.height * windows.width * area * area);
  const auto region_of = [&](std::uint64_t w, std::uint64_t patch) {
    const auto y = w / windows.width * window.height + patch / window.width;
    const auto x = w % windows.width * window.width + patch % window.width;
    return 3 * region(y, windows.height * window.height, window.height, shift.height) +
           region(x, windows.width * window.width, window.width, shift.width);
  };
  std::size_t next = 0;
  for (std::uint64_t w = 0; w < windows.height * windows.width; ++w)
    for (std::uint64_t i = 0; i < area; ++i)
      for (std::uint64_t j = 0; j < area; ++j)
        values[next++] = region_of(w, i) == region_of(w, j) ? 0.0F : -100.0F;
}

}  // namespace vitals
