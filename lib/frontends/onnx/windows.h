// What convolutions and pools share: kernels that slide over [batch, channels, spatial...].
#pragma once

#include "frontends/onnx/rules.h"

namespace vitals::onnx {

// Attributes of a sliding window, one number each spatial dimension.
struct Windows {
  Extents kernel;
  Extents strides;
  Extents dilations;
  Extents begin;  // padding before and after
  Extents end;
};

// Of a node whose input has `input` and whose kernel is `kernel` unless kernel_shape says so.
// `auto_pad` is resolved. Throws Error for what does not fit.
[[nodiscard]] Windows windows_of(const OpContext& c, const Extents& input, Extents kernel);

// Positions of the window along one dimension.
[[nodiscard]] std::int64_t positions(const Windows& w, std::size_t dimension, std::int64_t size,
                                     bool ceil_mode);

}  // namespace vitals::onnx
