#include "frontends/torch/aten.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>

namespace vitals::torch {

const TraceArgument& AtenContext::argument(std::size_t place, std::string_view name) const {
  static const TraceArgument none;
  const auto& n = node();
  if (place < n.in.size()) return n.in[place];
  for (const auto& [key, value] : n.named)
    if (!name.empty() && key == name) return value;
  return none;
}

std::int64_t AtenContext::integer(std::size_t place, std::int64_t absent,
                                  std::string_view name) const {
  const auto x = number(place, static_cast<double>(absent), name);
  if (!(std::abs(x) < 9e15) || x != std::floor(x)) fail("argument {}: expected an integer", place);
  return static_cast<std::int64_t>(x);
}

double AtenContext::number(std::size_t place, double absent, std::string_view name) const {
  const auto& a = argument(place, name);
  if (a.kind == TraceArgument::Kind::none) return absent;
  if (a.kind != TraceArgument::Kind::number && a.kind != TraceArgument::Kind::flag)
    fail("argument {}: expected a number", place);
  return a.number;
}

bool AtenContext::flag(std::size_t place, bool absent, std::string_view name) const {
  const auto& a = argument(place, name);
  return a.kind == TraceArgument::Kind::none ? absent : a.number != 0;
}

std::vector<std::int64_t> AtenContext::integers(std::size_t place, std::string_view name) const {
  const auto& a = argument(place, name);
  std::vector<std::int64_t> all;
  const auto add = [&](const TraceArgument& x) {
    if (x.kind != TraceArgument::Kind::number || x.number != std::floor(x.number) ||
        !(std::abs(x.number) < 9e15))
      fail("argument {}: expected integers", place);
    all.push_back(static_cast<std::int64_t>(x.number));
  };
  if (a.kind == TraceArgument::Kind::number) add(a);
  for (const auto& x : a.list) add(x);
  return all;
}

int AtenContext::axis(std::int64_t dim, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (dim < 0) dim += r;
  if (dim < 0 || dim >= r) fail("dimension {} of a tensor of {}", dim, rank);
  return static_cast<int>(dim);
}

std::string_view aten_name(std::string_view op) {
  constexpr std::string_view kOps = "torch.ops.";
  constexpr std::string_view kAten = "aten.";
  if (op.starts_with(kOps)) op.remove_prefix(kOps.size());
  if (!op.starts_with(kAten)) {  // another library's: "mylib.fancy_pool"
    const auto name = op.find('.');
    return name == std::string_view::npos ? op : op.substr(0, op.find('.', name + 1));
  }
  op.remove_prefix(kAten.size());
  op = op.substr(0, op.find('.'));
  if (op.size() > 1 && op.back() == '_' && !op.ends_with("__")) op.remove_suffix(1);
  return op;
}

AtenRule find_aten_rule(std::string_view name) {
  for (const auto table : {aten_products(), aten_norms(), aten_elementwise(), aten_views()})
    for (const auto& entry : table)
      if (entry.name == name) return entry.rule;
  return nullptr;
}

}  // namespace vitals::torch
