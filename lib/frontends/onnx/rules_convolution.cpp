// Convolutions of any number of spatial dimensions, with their multiply-accumulates. Padding counts
// as work, as is usual.
#include "frontends/onnx/windows.h"

#include <array>

namespace vitals::onnx {
namespace {

Count extent(std::int64_t d) { return static_cast<std::uint64_t>(d); }

Inferred convolved(const OpContext& c, const Extents& x, const Extents& weight, DataType type) {
  if (weight.size() != x.size() || x.size() < 3)
    fail("weight {} does not fit the input {}", to_string(weight), to_string(x));
  const auto groups = c.integer("group", 1);
  if (groups < 1 || x[1] % groups != 0 || weight[1] != x[1] / groups || weight[0] % groups != 0)
    fail("weight {} does not fit {} channels in {} groups", to_string(weight), x[1], groups);
  const auto w = windows_of(c, x, Extents(weight.begin() + 2, weight.end()));
  Extents to = {x[0], weight[0]};
  for (std::size_t i = 0; i + 2 < x.size(); ++i) to.push_back(positions(w, i, x[i + 2], false));
  const auto macs = numel(to) * extent(weight[1]) * numel(w.kernel);
  auto r = one(tensor(type, std::move(to)));
  r.macs = macs;
  return r;
}

Inferred conv(const OpContext& c) { return convolved(c, c.dims(0), c.dims(1), c.type(0)); }

Inferred conv_integer(const OpContext& c) {
  return convolved(c, c.dims(0), c.dims(1), DataType::int32);
}

// x, its scale and zero point, w, its scale and zero point, those of y.
Inferred qlinear_conv(const OpContext& c) {
  return convolved(c, c.dims(0), c.dims(3), c.has(7) ? c.type(7) : c.type(0));
}

// Weight [in, out/groups, kernel...]; every element of the input is spread by the whole kernel.
Inferred conv_transpose(const OpContext& c) {
  const auto& x = c.dims(0);
  const auto& weight = c.dims(1);
  if (weight.size() != x.size() || x.size() < 3 || weight[0] != x[1])
    fail("weight {} does not fit the input {}", to_string(weight), to_string(x));
  const auto groups = c.integer("group", 1);
  if (groups < 1) fail("{} groups are not possible", groups);
  const auto w = windows_of(c, x, Extents(weight.begin() + 2, weight.end()));
  const auto n = x.size() - 2;
  auto extra = c.list("output_padding");
  if (extra.empty()) extra.assign(n, 0);
  auto stated = c.list("output_shape");
  if (stated.size() == n + 2) stated.erase(stated.begin(), stated.begin() + 2);
  if (extra.size() != n || (!stated.empty() && stated.size() != n))
    fail("output_padding or output_shape does not fit {}", to_string(x));
  const bool same = c.text("auto_pad", "NOTSET").substr(0, 4) == "SAME";
  Extents to = {x[0], weight[1] * groups};
  for (std::size_t i = 0; i < n; ++i) {
    const auto reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
    const auto full = (x[i + 2] - 1) * w.strides[i] + reach + extra[i] - w.begin[i] - w.end[i];
    to.push_back(!stated.empty() ? stated[i] : same ? x[i + 2] * w.strides[i] : full);
  }
  auto r = one(tensor(c.type(0), std::move(to)));
  r.macs = numel(x) * extent(weight[1]) * numel(w.kernel);
  return r;
}

// x, weight, offset, bias, mask.
Inferred deform_conv(const OpContext& c) { return conv(c); }

constexpr auto kRules = std::to_array<RuleEntry>({
    {"Conv", conv},
    {"ConvInteger", conv_integer},
    {"ConvTranspose", conv_transpose},
    {"DeformConv", deform_conv},
    {"QLinearConv", qlinear_conv},
});

}  // namespace

RuleTable convolution_rules() { return kRules; }

}  // namespace vitals::onnx
