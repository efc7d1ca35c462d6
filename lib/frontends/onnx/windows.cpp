#include "frontends/onnx/windows.h"

#include <algorithm>

namespace vitals::onnx {
namespace {

constexpr std::int64_t kLargest = 1'000'000'000;

Extents filled(Extents values, std::size_t n, std::int64_t otherwise, const char* name) {
  if (values.empty()) values.assign(n, otherwise);
  if (values.size() != n) fail("{} {} does not have {} numbers", name, to_string(values), n);
  return values;
}

void require_range(const Extents& values, std::int64_t least, const char* name) {
  for (const auto v : values)
    if (v < least || v > kLargest) fail("{} {} is not possible", name, to_string(values));
}

// SAME_UPPER and SAME_LOWER: as many positions as strides fit, the odd pad at the end or beginning.
void pad_to_same(Windows& w, const Extents& input, bool upper) {
  for (std::size_t i = 0; i < w.kernel.size(); ++i) {
    const auto size = input[i + 2];
    const auto out = (size + w.strides[i] - 1) / w.strides[i];
    const auto reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
    const auto total = std::max<std::int64_t>((out - 1) * w.strides[i] + reach - size, 0);
    w.begin[i] = upper ? total / 2 : total - total / 2;
    w.end[i] = total - w.begin[i];
  }
}

}  // namespace

Windows windows_of(const OpContext& c, const Extents& input, Extents kernel) {
  if (input.size() < 2) fail("the input {} is not [batch, channels, ...]", to_string(input));
  const auto n = input.size() - 2;
  Windows w;
  if (auto stated = c.list("kernel_shape"); !stated.empty()) kernel = std::move(stated);
  w.kernel = filled(std::move(kernel), n, 1, "kernel_shape");
  w.strides = filled(c.list("strides"), n, 1, "strides");
  w.dilations = filled(c.list("dilations"), n, 1, "dilations");
  const auto pads = filled(c.list("pads"), 2 * n, 0, "pads");
  require_range(w.kernel, 1, "kernel_shape");
  require_range(w.strides, 1, "strides");
  require_range(w.dilations, 1, "dilations");
  require_range(pads, -kLargest, "pads");
  for (const auto d : input)
    if (d > std::numeric_limits<std::int64_t>::max() / 4) fail("{} is too large", to_string(input));
  w.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
  w.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  const auto how = c.text("auto_pad", "NOTSET");
  if (how == "VALID") {
    w.begin.assign(n, 0);
    w.end.assign(n, 0);
  } else if (how == "SAME_UPPER" || how == "SAME_LOWER") {
    pad_to_same(w, input, how == "SAME_UPPER");
  } else if (!how.empty() && how != "NOTSET") {
    fail("auto_pad '{}' is unknown", how);
  }
  return w;
}

std::int64_t positions(const Windows& w, std::size_t i, std::int64_t size, bool ceil_mode) {
  const auto padded = size + w.begin[i] + w.end[i];
  const auto reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
  if (padded < reach) fail("the kernel of {} does not fit into {}", reach, padded);
  const auto steps = padded - reach;
  auto out = (ceil_mode ? (steps + w.strides[i] - 1) / w.strides[i] : steps / w.strides[i]) + 1;
  // A window that begins in the padding at the end is left out, as PyTorch does.
  if (ceil_mode && (out - 1) * w.strides[i] >= size + w.begin[i]) --out;
  return out;
}

}  // namespace vitals::onnx
