// The tables that models compute once from their sizes: rotary positions, relative positions, masks
// of shifted windows. Plain numbers in row-major order; knows no builder and no model.
#pragma once

#include "models/field.h"

#include <cstdint>
#include <span>

namespace vitals {

// Which positions rotate features, and how fast.
struct RopeTable {
  Size2 grid;
  std::uint64_t dim = 0;  // features that are rotated, a multiple of 4
  double temperature = 10000.0;
  double grid_offset = 0.0;
  bool columns_first = false;  // "xy": the first half of the features turns with the column
  Size2 reference;             // positions are scaled to this grid; 0 x 0: they are not
};

// timm's RotaryEmbeddingCat (EVA-02, arXiv:2303.11331): [patches, 2 * dim], the sines before the
// cosines, each frequency twice in a row.
void rope_cat(const RopeTable& table, std::span<float> values);

// timm's RotaryEmbeddingDinoV3 (arXiv:2508.10104): positions in [-1, 1] whatever the grid; each
// frequency twice in a row, or with `half` all of them once and then once more.
void rope_dinov3(const RopeTable& table, bool half, std::span<float> values);

// The position of every patch along one axis: what learned frequencies are multiplied with.
void grid_positions(const Size2& grid, bool along_columns, std::span<float> values);

// Row of the table of relative positions for every pair of tokens in a window, a class token before
// them where there is one (Liu et al. 2021, arXiv:2103.14030; Bao et al. 2021, arXiv:2106.08254).
void relative_position_rows(const Size2& window, bool class_token, std::span<std::int64_t> rows);

// [2 * height - 1, 2 * width - 1, 2]: log-spaced relative coordinates, as Swin V2 scales them
// (arXiv:2111.09883, section 3.3) or as timm does.
void relative_log_coordinates(const Size2& window, bool swin, std::span<float> values);

// [windows, area, area]: -100 between patches that met only because the grid was rolled, else 0.
void shifted_window_mask(const Size2& windows, const Size2& window, const Size2& shift,
                         std::span<float> values);

}  // namespace vitals
