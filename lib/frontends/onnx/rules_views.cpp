// Ops that move or relabel elements: reshapes, transposes, concatenation, padding, resizing.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vitals::onnx {
namespace {

// The numbers of input 0 go along unchanged, in their order.
Inferred relabelled(const OpContext& c, Extents dims) {
  auto value = tensor(c.type(0), std::move(dims));
  if (numel(value.dims) != numel(c.dims(0)))
    fail("{} elements of {} cannot become {}", numel(c.dims(0)), to_string(c.dims(0)),
         to_string(value.dims));
  if (c.foldable())
    value.constant = c.in(0).constant;
  else if (!c.in(0).is_sequence && c.in(0).constant != nullptr && c.in(0).initializer == nullptr)
    value.constant = c.in(0).constant;
  return one(std::move(value));
}

// The same value, but of a weight a second name: an exporter that stores equal tensors once keeps
// apart with it what the module holds twice.
Inferred identity(const OpContext& c) {
  auto value = c.in(0);
  if (value.initializer == nullptr) value.alias = c.id(0);
  return one(std::move(value));
}

Inferred reshape(const OpContext& c) {
  const auto& from = c.dims(0);
  Extents to = c.opset() < 5 ? c.list("shape") : c.integers(1);
  const bool keep_zero = c.integer("allowzero", 0) != 0;
  std::int64_t* open = nullptr;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !keep_zero) {
      if (i >= from.size()) fail("dimension {} is 0, but the input is {}", i, to_string(from));
      to[i] = from[i];
    }
    if (to[i] == -1) {
      if (open != nullptr) fail("two dimensions are -1 in {}", to_string(to));
      open = &to[i];
    }
  }
  if (open != nullptr) {
    *open = 1;
    const auto rest = numel(to);
    const auto all = numel(from);
    if (rest == Count(0) || (all.value() % rest.value()) != 0) {
      *open = -1;
      fail("{} cannot become {}", to_string(from), to_string(to));
    }
    *open = static_cast<std::int64_t>((all / rest).value());
  }
  return relabelled(c, std::move(to));
}

Extents axes_of(const OpContext& c, std::int64_t from_opset) {
  if (c.opset() < from_opset) return c.list("axes");
  return c.has(1) ? c.integers(1) : c.list("axes");
}

Inferred squeeze(const OpContext& c) {
  const auto& from = c.dims(0);
  auto axes = axes_of(c, 13);
  Extents to;
  std::vector<bool> drop(from.size(), axes.empty());
  for (const auto a : axes) {
    const auto axis = c.axis(a, from.size());
    if (from[axis] != 1) fail("dimension {} of {} is not 1", axis, to_string(from));
    drop[axis] = true;
  }
  for (std::size_t i = 0; i < from.size(); ++i)
    if (!drop[i] || from[i] != 1) to.push_back(from[i]);
  return relabelled(c, std::move(to));
}

Inferred unsqueeze(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto axes = axes_of(c, 13);
  std::vector<bool> added(from.size() + axes.size(), false);
  for (const auto a : axes) added[c.axis(a, added.size())] = true;
  Extents to;
  std::size_t next = 0;
  for (const auto is_new : added) {
    if (!is_new && next == from.size()) fail("axes {} repeat a dimension", to_string(axes));
    to.push_back(is_new ? 1 : from[next++]);
  }
  return relabelled(c, std::move(to));
}

Inferred flatten(const OpContext& c) {
  const auto& from = c.dims(0);
  auto axis = c.integer("axis", 1);
  const auto r = static_cast<std::int64_t>(from.size());
  if (axis < -r || axis > r) fail("axis {} is outside {}", axis, to_string(from));
  if (axis < 0) axis += r;
  Extents to(2, 1);
  for (std::int64_t i = 0; i < r; ++i) {
    auto& side = to[i < axis ? 0 : 1];
    side = static_cast<std::int64_t>((Count(static_cast<std::uint64_t>(side)) *
                                      static_cast<std::uint64_t>(from[static_cast<std::size_t>(i)]))
                                         .value());
  }
  return relabelled(c, std::move(to));
}

Inferred transpose(const OpContext& c) {
  const auto& from = c.dims(0);
  auto order = c.list("perm");
  if (order.empty())
    for (std::size_t i = from.size(); i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  if (order.size() != from.size())
    fail("perm {} does not fit {}", to_string(order), to_string(from));
  const auto stride = dense_strides(from);
  Extents to;
  Extents strides;
  for (const auto o : order) {
    to.push_back(from[c.axis(o, from.size())]);
    strides.push_back(stride[c.axis(o, from.size())]);
  }
  auto value = tensor(c.type(0), to);
  if (c.foldable()) value.constant = strided(*c.numbers(0), to, 0, strides);
  return one(std::move(value));
}

Inferred expand(const OpContext& c) {
  const auto to = broadcast(c.dims(0), c.integers(1));
  auto value = tensor(c.type(0), to);
  if (c.foldable()) {
    const auto& from = c.dims(0);
    auto strides = dense_strides(from);
    for (std::size_t i = 0; i < from.size(); ++i)
      if (from[i] == 1) strides[i] = 0;
    strides.insert(strides.begin(), to.size() - from.size(), 0);
    value.constant = strided(*c.numbers(0), to, 0, strides);
  }
  return one(std::move(value));
}

// Of each input a run of rows at a time: those before the axis go round, those after it are dense.
std::shared_ptr<const Numbers> concatenated(const OpContext& c, std::size_t axis) {
  auto out = std::make_shared<Numbers>();
  out->real = c.numbers(0)->real;
  std::size_t rounds = 1;
  for (std::size_t i = 0; i < axis; ++i) rounds *= static_cast<std::size_t>(c.dims(0)[i]);
  for (std::size_t r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < c.count(); ++i) {
      const auto& n = *c.numbers(i);
      if (n.real != out->real) return nullptr;
      const auto run = static_cast<std::ptrdiff_t>(n.size() / rounds);
      const auto from = static_cast<std::ptrdiff_t>(r) * run;
      if (n.real)
        out->reals.insert(out->reals.end(), n.reals.begin() + from, n.reals.begin() + from + run);
      else
        out->integers.insert(out->integers.end(), n.integers.begin() + from,
                             n.integers.begin() + from + run);
    }
  return out;
}

Inferred concat(const OpContext& c) {
  Extents to = c.dims(0);
  const auto axis = c.axis(c.integer("axis", c.opset() < 4 ? 1 : 0), to.size());
  for (std::size_t i = 1; i < c.count(); ++i) {
    const auto& other = c.dims(i);
    if (other.size() != to.size())
      fail("{} and {} differ in rank", to_string(to), to_string(other));
    for (std::size_t k = 0; k < to.size(); ++k)
      if (k != axis && other[k] != to[k])
        fail("{} and {} differ beside axis {}", to_string(to), to_string(other), axis);
    to[axis] = static_cast<std::int64_t>(
        (Count(static_cast<std::uint64_t>(to[axis])) + static_cast<std::uint64_t>(other[axis]))
            .value());
  }
  auto value = tensor(c.type(0), to);
  if (c.foldable() && numel(to) <= Count(kMaxConstant)) value.constant = concatenated(c, axis);
  return one(std::move(value));
}

Extents split_lengths(const OpContext& c, std::int64_t size, std::size_t pieces) {
  if (c.opset() < 13 && c.find("split") != nullptr) return c.list("split");
  if (c.opset() >= 13 && c.has(1)) return c.integers(1);
  const auto stated = c.integer("num_outputs", 0);
  const auto n = stated > 0 ? stated : static_cast<std::int64_t>(pieces);
  if (n == 0) fail("there is no output");
  const auto each = (size + n - 1) / n;
  Extents lengths;
  for (std::int64_t left = size; lengths.size() < static_cast<std::size_t>(n); left -= each)
    lengths.push_back(std::clamp<std::int64_t>(left, 0, each));
  return lengths;
}

Inferred split(const OpContext& c) {
  const auto& from = c.dims(0);
  const auto axis = c.axis(c.integer("axis", 0), from.size());
  const auto lengths = split_lengths(c, from[axis], c.node().outputs.size());
  const auto strides = dense_strides(from);
  Inferred r;
  std::int64_t start = 0;
  for (const auto length : lengths) {
    Extents to = from;
    to[axis] = length;
    auto value = tensor(c.type(0), std::move(to));
    if (c.foldable() && length >= 0 && start + length <= from[axis])
      value.constant = strided(*c.numbers(0), value.dims, start * strides[axis], strides);
    start += std::max<std::int64_t>(length, 0);
    r.outputs.push_back(std::move(value));
  }
  if (start != from[axis])
    fail("pieces {} do not sum to {} of {}", to_string(lengths), from[axis], to_string(from));
  return r;
}

Inferred tile(const OpContext& c) {
  Extents to = c.dims(0);
  const auto& repeats = c.integers(1);
  if (c.opset() < 6) fail("Tile before opset 6 is not supported");
  if (repeats.size() != to.size())
    fail("repeats {} do not fit {}", to_string(repeats), to_string(to));
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (repeats[i] < 0) fail("repeats {} are negative", to_string(repeats));
    to[i] = static_cast<std::int64_t>(
        (Count(static_cast<std::uint64_t>(to[i])) * static_cast<std::uint64_t>(repeats[i]))
            .value());
  }
  auto value = tensor(c.type(0), to);
  // One row that is repeated as a whole.
  const bool vector = to.size() == 1 && c.dims(0)[0] > 0;
  if (c.foldable() && vector)
    value.constant = strided(*c.numbers(0), {repeats[0], c.dims(0)[0]}, 0, {0, 1});
  return one(std::move(value));
}

Inferred pad(const OpContext& c) {
  Extents to = c.dims(0);
  Extents pads = c.opset() < 11 ? c.list("pads") : c.integers(1);
  if (c.opset() < 2 && pads.empty()) pads = c.list("paddings");
  std::vector<std::size_t> axes;
  if (c.has(3))
    for (const auto a : c.integers(3)) axes.push_back(c.axis(a, to.size()));
  else
    for (std::size_t i = 0; i < to.size(); ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) fail("pads {} do not fit {}", to_string(pads), to_string(to));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto padded = __int128{to[axes[i]]} + pads[i] + pads[axes.size() + i];
    if (padded < 0 || padded > std::numeric_limits<std::int64_t>::max())
      fail("pads {} do not fit {}", to_string(pads), to_string(to));
    to[axes[i]] = static_cast<std::int64_t>(padded);
  }
  return one(tensor(c.type(0), std::move(to)));
}

std::int64_t scaled(std::int64_t size, double scale) {
  const double result = std::floor(static_cast<double>(size) * scale);
  if (!(scale > 0) || result > 1e18) fail("a scale of {} is not possible", scale);
  return static_cast<std::int64_t>(result);
}

// The scales of Resize and Upsample, and where they stand.
const Numbers* stated_numbers(const OpContext& c, std::size_t i) {
  if (!c.has(i)) return nullptr;
  if (c.in(i).shaped && numel(c.in(i).dims) == Count(0)) return nullptr;
  const auto* n = c.numbers(i);
  if (n == nullptr) throw UnknownShape{};
  return n;
}

Inferred resize(const OpContext& c) {
  Extents to = c.dims(0);
  const auto* scales = stated_numbers(c, c.opset() < 11 ? 1 : 2);
  const auto* sizes = c.opset() < 11 ? nullptr : stated_numbers(c, 3);
  std::vector<std::size_t> axes;
  for (const auto a : c.list("axes")) axes.push_back(c.axis(a, to.size()));
  if (axes.empty())
    for (std::size_t i = 0; i < to.size(); ++i) axes.push_back(i);
  const auto* stated = sizes != nullptr ? sizes : scales;
  if (stated == nullptr) fail("neither scales nor sizes are given");
  if (stated->size() != axes.size())
    fail("{} scales or sizes for {}", stated->size(), to_string(to));
  const auto policy = c.text("keep_aspect_ratio_policy", "stretch");
  double common = 0;
  if (sizes != nullptr && policy != "stretch")
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const double scale = static_cast<double>(sizes->integers[i]) /
                           static_cast<double>(std::max<std::int64_t>(to[axes[i]], 1));
      const bool take = i == 0 || (policy == "not_larger" ? scale < common : scale > common);
      if (take) common = scale;
    }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    auto& d = to[axes[i]];
    if (sizes == nullptr)
      d = scaled(d, scales->reals.at(i));
    else if (policy == "stretch")
      d = sizes->integers.at(i);
    else
      d = static_cast<std::int64_t>(std::floor(static_cast<double>(d) * common + 0.5));
  }
  return one(tensor(c.type(0), std::move(to)));
}

Inferred upsample(const OpContext& c) {
  Extents to = c.dims(0);
  std::vector<double> scales;
  if (c.opset() >= 9) {
    const auto* n = stated_numbers(c, 1);
    if (n == nullptr) throw UnknownShape{};
    scales = n->reals;
  } else if (const auto* a = c.find("scales"); a != nullptr) {
    scales = a->floats;
  } else {
    scales = {1, 1, c.real("height_scale", 1), c.real("width_scale", 1)};
  }
  if (scales.size() != to.size()) fail("{} scales for {}", scales.size(), to_string(to));
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = scaled(to[i], scales[i]);
  return one(tensor(c.type(0), std::move(to)));
}

std::int64_t block_size(const OpContext& c) {
  const auto block = c.integer("blocksize", 0);
  if (block < 1 || block > 1024) fail("blocksize {} is not possible", block);
  if (c.rank(0) != 4) fail("the input {} is not [batch, C, H, W]", to_string(c.dims(0)));
  return block;
}

Inferred depth_to_space(const OpContext& c) {
  const auto b = block_size(c);
  const auto& x = c.dims(0);
  if (x[1] % (b * b) != 0) fail("{} channels are not divisible by {}", x[1], b * b);
  return one(tensor(c.type(0), {x[0], x[1] / (b * b), x[2] * b, x[3] * b}));
}

Inferred space_to_depth(const OpContext& c) {
  const auto b = block_size(c);
  const auto& x = c.dims(0);
  if (x[2] % b != 0 || x[3] % b != 0) fail("{} is not divisible by {}", to_string(x), b);
  return one(tensor(c.type(0), {x[0], x[1] * b * b, x[2] / b, x[3] / b}));
}

Inferred shape(const OpContext& c) {
  const auto& x = c.dims(0);
  const auto r = static_cast<std::int64_t>(x.size());
  auto bound = [&](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + r : i, 0, r); };
  const auto start = bound(c.integer("start", 0));
  const auto end = std::max(start, bound(c.integer("end", r)));
  std::vector<std::int64_t> dims(x.begin() + start, x.begin() + end);
  return one(of_integers(DataType::int64, {end - start}, std::move(dims)));
}

Inferred size(const OpContext& c) {
  const auto n = numel(c.dims(0)).value();
  return one(of_integers(DataType::int64, {}, {static_cast<std::int64_t>(n)}));
}

Inferred center_crop_pad(const OpContext& c) {
  Extents to = c.dims(0);
  const auto& target = c.integers(1);
  auto axes = c.list("axes");
  for (std::size_t i = 0; i < target.size(); ++i) {
    const auto axis = axes.empty() ? i : c.axis(axes.at(i), to.size());
    if (axis >= to.size()) fail("{} does not fit {}", to_string(target), to_string(to));
    to[axis] = target[i];
  }
  return one(tensor(c.type(0), std::move(to)));
}

Inferred reverse_sequence(const OpContext& c) { return same_as(c); }

// Images from columns: [N, C * product(block), L] to [N, C, image...].
Inferred col2im(const OpContext& c) {
  const auto& x = c.dims(0);
  const auto& image = c.integers(1);
  const auto& block = c.integers(2);
  const auto n = numel(block).value();
  if (x.size() != 3 || n == 0) fail("the input {} is not [N, C, L]", to_string(x));
  Extents to = {x[0], x[1] / static_cast<std::int64_t>(n)};
  to.insert(to.end(), image.begin(), image.end());
  return one(tensor(c.type(0), std::move(to)));
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"CenterCropPad", center_crop_pad},
    {"Col2Im", col2im},
    {"Concat", concat},
    {"DepthToSpace", depth_to_space},
    {"Expand", expand},
    {"Flatten", flatten},
    {"Identity", identity},
    {"Pad", pad},
    {"Reshape", reshape},
    {"Resize", resize},
    {"ReverseSequence", reverse_sequence},
    {"Shape", shape},
    {"Size", size},
    {"SpaceToDepth", space_to_depth},
    {"Split", split},
    {"Squeeze", squeeze},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
    {"Upsample", upsample},
});

}  // namespace

RuleTable view_rules() { return kRules; }

}  // namespace vitals::onnx
