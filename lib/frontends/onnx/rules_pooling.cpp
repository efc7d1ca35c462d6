// Pools, local and global.
#include "frontends/onnx/windows.h"

#include <array>

namespace vitals::onnx {
namespace {

Extents pooled_dims(const OpContext& c) {
  const auto& x = c.dims(0);
  const auto w = windows_of(c, x, {});
  Extents to = {x[0], x[1]};
  const bool ceil_mode = c.integer("ceil_mode", 0) != 0;
  for (std::size_t i = 0; i + 2 < x.size(); ++i) to.push_back(positions(w, i, x[i + 2], ceil_mode));
  return to;
}

Inferred pooled(const OpContext& c) { return one(tensor(c.type(0), pooled_dims(c))); }

Inferred max_pool(const OpContext& c) {
  auto r = pooled(c);
  r.outputs.push_back(tensor(DataType::int64, r.outputs[0].dims));
  return r;
}

Inferred max_unpool(const OpContext& c) {
  if (c.has(2)) {
    const auto& stated = c.integers(2);
    return one(tensor(c.type(0), stated));
  }
  const auto& x = c.dims(0);
  const auto w = windows_of(c, x, {});
  Extents to = {x[0], x[1]};
  for (std::size_t i = 0; i + 2 < x.size(); ++i)
    to.push_back((x[i + 2] - 1) * w.strides[i] + w.kernel[i] - w.begin[i] - w.end[i]);
  return one(tensor(c.type(0), std::move(to)));
}

Inferred global_pool(const OpContext& c) {
  Extents to = c.dims(0);
  if (to.size() < 2) fail("the input {} is not [batch, channels, ...]", to_string(to));
  for (std::size_t i = 2; i < to.size(); ++i) to[i] = 1;
  return one(tensor(c.type(0), std::move(to)));
}

// X [N, C, H, W], rois [n, 4]: [n, C, output_height, output_width].
Inferred roi_align(const OpContext& c) {
  const auto& x = c.dims(0);
  if (x.size() != 4) fail("the input {} is not [batch, C, H, W]", to_string(x));
  return one(tensor(c.type(0), {c.dims(1).at(0), x[1], c.integer("output_height", 1),
                                c.integer("output_width", 1)}));
}

Inferred max_roi_pool(const OpContext& c) {
  const auto size = c.list("pooled_shape");
  if (size.size() != 2) fail("pooled_shape {} is not [height, width]", to_string(size));
  return one(tensor(c.type(0), {c.dims(1).at(0), c.dims(0).at(1), size[0], size[1]}));
}

// X [N, C, spatial...], grid [N, spatial of the output..., rank].
Inferred grid_sample(const OpContext& c) {
  const auto& grid = c.dims(1);
  if (grid.size() < 3) fail("the grid {} is not [batch, ..., 2]", to_string(grid));
  Extents to = {c.dims(0).at(0), c.dims(0).at(1)};
  to.insert(to.end(), grid.begin() + 1, grid.end() - 1);
  return one(tensor(c.type(0), std::move(to)));
}

// size [N, C, H, W]: [N, H, W, 2]; [N, C, D, H, W]: [N, D, H, W, 3].
Inferred affine_grid(const OpContext& c) {
  const auto& size = c.integers(1);
  if (size.size() < 4) fail("the size {} is not [batch, C, ...]", to_string(size));
  Extents to = {size[0]};
  to.insert(to.end(), size.begin() + 2, size.end());
  to.push_back(static_cast<std::int64_t>(size.size()) - 2);
  return one(tensor(c.type(0), std::move(to)));
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"AffineGrid", affine_grid},
    {"AveragePool", pooled},
    {"GlobalAveragePool", global_pool},
    {"GlobalLpPool", global_pool},
    {"GlobalMaxPool", global_pool},
    {"GridSample", grid_sample},
    {"LpPool", pooled},
    {"MaxPool", max_pool},
    {"MaxRoiPool", max_roi_pool},
    {"MaxUnpool", max_unpool},
    {"RoiAlign", roi_align},
});

}  // namespace

RuleTable pooling_rules() { return kRules; }

}  // namespace vitals::onnx
