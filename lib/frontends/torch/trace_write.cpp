#include "frontends/torch/trace_file.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace vitals::torch {
namespace {

using nlohmann::ordered_json;
using Kind = TraceArgument::Kind;

ordered_json sizes_json(const Shape& shape) {
  auto out = ordered_json::array();
  for (const auto d : shape) out.push_back(d);
  return out;
}

ordered_json number_json(double x) {
  if (std::isnan(x)) return {{"float", "nan"}};
  if (std::isinf(x)) return {{"float", x > 0 ? "inf" : "-inf"}};
  if (x == std::floor(x) && std::abs(x) < 9e15) return static_cast<std::int64_t>(x);
  return x;
}

ordered_json argument_json(const TraceArgument& a) {
  switch (a.kind) {
    case Kind::none:
      return nullptr;
    case Kind::value:
      return {{"v", a.index}};
    case Kind::parameter:
      return {{"p", a.index}};
    case Kind::number:
      return number_json(a.number);
    case Kind::flag:
      return a.flag;
    case Kind::word:
      return a.word;
    case Kind::list:
      break;
  }
  auto out = ordered_json::array();
  for (const auto& inner : a.list) out.push_back(argument_json(inner));
  return out;
}

ordered_json arguments_json(const std::vector<TraceArgument>& arguments) {
  auto out = ordered_json::array();
  for (const auto& a : arguments) out.push_back(argument_json(a));
  return out;
}

ordered_json parameter_json(const TraceParameter& p) {
  ordered_json out = {
      {"name", p.name}, {"shape", sizes_json(p.shape)}, {"dtype", to_string(p.dtype)}};
  if (p.buffer)
    out["buffer"] = true;
  else if (!p.trainable)
    out["trainable"] = false;
  if (p.same_as) out["same_as"] = *p.same_as;
  return out;
}

ordered_json call_json(const TraceFile& trace, const TraceCall& c) {
  ordered_json out = {
      {"module", trace.modules[c.module].path}, {"begin", c.begin}, {"in", arguments_json(c.in)}};
  if (c.parent) out["parent"] = *c.parent;
  out["end"] = c.end;
  out["out"] = arguments_json(c.out);
  return out;
}

ordered_json node_json(const TraceNode& n) {
  ordered_json out = {{"op", n.op}, {"in", arguments_json(n.in)}};
  if (!n.named.empty()) {
    auto& named = out["kw"] = ordered_json::object();
    for (const auto& [key, a] : n.named) named[key] = argument_json(a);
  }
  out["out"] = n.out;
  if (n.call) out["call"] = *n.call;
  return out;
}

}  // namespace

ordered_json trace_to_json(const TraceFile& trace) {
  ordered_json out = {{"format", "vitals-trace"},
                      {"version", kTraceVersion},
                      {"producer", trace.producer},
                      {"model", trace.model}};
  if (trace.training) out["training"] = *trace.training;
  for (const char* key : {"modules", "parameters", "values"}) out[key] = ordered_json::array();
  for (const auto& m : trace.modules)
    out["modules"].push_back(ordered_json::array({m.path, m.type}));
  for (const auto& p : trace.parameters) out["parameters"].push_back(parameter_json(p));
  for (const auto& v : trace.values)
    out["values"].push_back(ordered_json::array({sizes_json(v.shape), to_string(v.dtype)}));
  out["constants"] = trace.constants;
  out["inputs"] = trace.inputs;
  out["outputs"] = arguments_json(trace.outputs);
  out["calls"] = ordered_json::array();
  for (const auto& c : trace.calls) out["calls"].push_back(call_json(trace, c));
  out["nodes"] = ordered_json::array();
  for (const auto& n : trace.nodes) out["nodes"].push_back(node_json(n));
  return out;
}

}  // namespace vitals::torch
