// The tables that models compute from their sizes, against the numbers of the papers' code.
#include "models/layers/tables.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

using namespace vitals;

namespace {

void check_close(const std::vector<float>& values, const std::vector<double>& expected) {
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK(static_cast<double>(values[i]) == doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

// Sines and then cosines of the angles.
std::vector<double> turned(const std::vector<double>& angles) {
  std::vector<double> result;
  for (double a : angles) result.push_back(std::sin(a));
  for (double a : angles) result.push_back(std::cos(a));
  return result;
}

}  // namespace

// Figure and code of Swin's relative_position_index for a window of 2 x 2; BEiT's
// gen_relative_position_index, with (2 * 2 - 1)^2 = 9 offsets before the class token's three rows.
TEST_CASE("pairs of tokens find their row of relative positions") {
  std::vector<std::int64_t> rows(16);
  relative_position_rows({2, 2}, false, rows);
  CHECK(rows == std::vector<std::int64_t>{4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4});
  std::vector<std::int64_t> with_class(25);
  relative_position_rows({2, 2}, true, with_class);
  CHECK(with_class == std::vector<std::int64_t>{11, 9, 9,  9, 9, 10, 4, 3,  1, 0, 10, 5, 4,
                                                2,  1, 10, 7, 6, 4,  3, 10, 8, 7, 5,  4});
  // A window that is no square: offsets across are 0 to 4, a step down is 5.
  std::vector<std::int64_t> wide(36);
  relative_position_rows({2, 3}, false, wide);
  CHECK(std::vector<std::int64_t>(wide.begin(), wide.begin() + 6) ==
        std::vector<std::int64_t>{7, 6, 5, 2, 1, 0});
}

// A grid of 4 x 4 in windows of 2 x 2, rolled by one: only the last row and column of windows hold
// patches that were not neighbours.
TEST_CASE("patches that met by rolling do not see each other") {
  std::vector<float> mask(4 * 4 * 4);
  shifted_window_mask({2, 2}, {2, 2}, {1, 1}, mask);
  const auto window = [&](std::size_t w) {
    return std::vector<float>(mask.begin() + static_cast<std::ptrdiff_t>(16 * w),
                              mask.begin() + static_cast<std::ptrdiff_t>(16 * (w + 1)));
  };
  const float x = -100;
  CHECK(window(0) == std::vector<float>(16));
  CHECK(window(1) == std::vector<float>{0, x, 0, x, x, 0, x, 0, 0, x, 0, x, x, 0, x, 0});
  CHECK(window(2) == std::vector<float>{0, 0, x, x, 0, 0, x, x, x, x, 0, 0, x, x, 0, 0});
  CHECK(window(3) == std::vector<float>{0, x, x, x, x, 0, x, x, x, x, 0, x, x, x, x, 0});
  // Along an axis that is not shifted nothing is parted.
  shifted_window_mask({2, 2}, {2, 2}, {1, 0}, mask);
  CHECK(window(1) == std::vector<float>(16));
  CHECK(window(2) == std::vector<float>{0, 0, x, x, 0, 0, x, x, x, x, 0, 0, x, x, 0, 0});
}

// build_rotary_pos_embed: bands 1 and 1 / 100 of a temperature of 10,000 with 8 features.
TEST_CASE("EVA's rotary table turns two features by each angle") {
  RopeTable table;
  table.grid = {2, 3};
  table.dim = 8;
  std::vector<float> values(2 * 3 * 16);
  const auto patch = [&](std::size_t i) {
    return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(16 * i),
                              values.begin() + static_cast<std::ptrdiff_t>(16 * (i + 1)));
  };
  rope_cat(table, values);
  check_close(patch(0), turned(std::vector<double>(8)));
  check_close(patch(5), turned({1, 1, 0.01, 0.01, 2, 2, 0.02, 0.02}));  // row 1, column 2
  table.columns_first = true;
  rope_cat(table, values);
  check_close(patch(5), turned({2, 2, 0.02, 0.02, 1, 1, 0.01, 0.01}));
  // Positions of another grid: fine-tuned with one row and one and a half columns a patch.
  table.columns_first = false;
  table.reference = {2, 6};
  rope_cat(table, values);
  check_close(patch(5), turned({1, 1, 0.01, 0.01, 4, 4, 0.04, 0.04}));
}

// Coordinates from -1 to 1 at the patches' centres, periods 100^(4k / dim).
TEST_CASE("DINOv3's rotary table knows no size of the grid") {
  RopeTable table;
  table.grid = {2, 4};
  table.dim = 8;
  table.temperature = 100;
  std::vector<float> values(2 * 4 * 16);
  const auto last = [&] { return std::vector<float>(values.end() - 16, values.end()); };
  constexpr double kTurn = 2 * std::numbers::pi;
  const double y = kTurn * 0.5;
  const double x = kTurn * 0.75;
  rope_dinov3(table, false, values);
  check_close(last(), turned({y, y, y / 10, y / 10, x, x, x / 10, x / 10}));
  rope_dinov3(table, true, values);
  check_close(last(), turned({y, y / 10, x, x / 10, y, y / 10, x, x / 10}));
}

TEST_CASE("patches know their row and column") {
  std::vector<float> values(6);
  grid_positions({2, 3}, false, values);
  CHECK(values == std::vector<float>{0, 0, 0, 1, 1, 1});
  grid_positions({2, 3}, true, values);
  CHECK(values == std::vector<float>{0, 1, 2, 0, 1, 2});
}

// Swin V2: sign(8x) log2(1 + |8x|) / log2(8) of x from -1 to 1; timm's own form has the plain
// offset and the natural logarithm.
TEST_CASE("relative coordinates are spaced by logarithms") {
  std::vector<float> values(3 * 3 * 2);
  relative_log_coordinates({2, 2}, true, values);
  const double far = std::log2(9.0) / 3;
  check_close(values,
              {-far, -far, -far, 0, -far, far, 0, -far, 0, 0, 0, far, far, -far, far, 0, far, far});
  relative_log_coordinates({2, 2}, false, values);
  check_close({values[0], values[9], values[17]}, {-std::log(2.0), 0, std::log(2.0)});
}
