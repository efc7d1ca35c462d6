#include "frontends/torch/trace_file.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <limits>
#include <set>

namespace vitals::torch {
namespace {

using nlohmann::json;
using Kind = TraceArgument::Kind;

constexpr int kMaxListDepth = 8;

const json& member(const json& object, const char* key, const std::string& at) {
  if (!object.is_object()) fail("{}: expected an object, got {}", at, brief(object));
  const auto it = object.find(key);
  if (it == object.end()) fail("{}/{}: missing", at, key);
  return *it;
}

const json& list(const json& object, const char* key, const std::string& at) {
  const auto& value = member(object, key, at);
  if (!value.is_array()) fail("{}/{}: expected a list, got {}", at, key, brief(value));
  return value;
}

std::uint64_t count_of(const json& value, const std::string& at, std::string_view what) {
  const bool count =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  if (!count) fail("{}: expected {}, got {}", at, what, brief(value));
  return value.get<std::uint64_t>();
}

std::size_t index_of(const json& value, const std::string& at) {
  const auto n = count_of(value, at, "an index");
  if (n > std::numeric_limits<std::uint32_t>::max())
    fail("{}: expected an index, got {}", at, brief(value));
  return static_cast<std::size_t>(n);
}

std::string word_of(const json& value, const std::string& at) {
  if (!value.is_string()) fail("{}: expected a string, got {}", at, brief(value));
  auto text = value.get<std::string>();
  if (!is_printable_line(text)) fail("{}: holds a control character", at);
  return text;
}

Shape shape_of(const json& value, const std::string& at) {
  if (!value.is_array()) fail("{}: expected a list of sizes, got {}", at, brief(value));
  if (value.size() > kMaxRank)
    fail("{}: {} dimensions; at most {} are read", at, value.size(), kMaxRank);
  Shape shape;
  for (const auto& size : value) {
    shape.push_back(count_of(size, at, "sizes"));
  }
  try {
    (void)(numel(shape) * 8);
  } catch (const Error& error) {
    throw error.within(at);
  }
  return shape;
}

DType dtype_of(const json& value, const std::string& at) {
  const auto name = word_of(value, at);
  if (const auto dtype = torch_dtype(name)) return *dtype;
  fail("{}: unknown element type '{}'", at, name);
}

TraceArgument argument_of(const json& value, const std::string& at, int depth = 0) {
  TraceArgument argument;
  if (value.is_null()) return argument;
  if (value.is_boolean()) {
    argument.kind = Kind::flag;
    argument.flag = value.get<bool>();
    argument.number = argument.flag ? 1 : 0;
  } else if (value.is_number()) {
    argument.kind = Kind::number;
    argument.number = value.get<double>();
  } else if (value.is_string()) {
    argument.kind = Kind::word;
    argument.word = value.get<std::string>();
  } else if (value.is_array()) {
    if (depth > kMaxListDepth) fail("{}: lists are nested too deep", at);
    argument.kind = Kind::list;
    for (std::size_t i = 0; i < value.size(); ++i)
      argument.list.push_back(argument_of(value[i], fmt::format("{}/{}", at, i), depth + 1));
  } else if (value.contains("v")) {
    argument.kind = Kind::value;
    argument.index = index_of(value["v"], at + "/v");
  } else if (value.contains("p")) {
    argument.kind = Kind::parameter;
    argument.index = index_of(value["p"], at + "/p");
  } else if (value.contains("float")) {
    argument.kind = Kind::number;
    const auto text = word_of(value["float"], at + "/float");
    argument.number = text == "inf"    ? std::numeric_limits<double>::infinity()
                      : text == "-inf" ? -std::numeric_limits<double>::infinity()
                                       : std::numeric_limits<double>::quiet_NaN();
  } else if (value.contains("dtype")) {
    argument.kind = Kind::word;
    argument.word = word_of(value["dtype"], at + "/dtype");
  } else if (value.contains("other")) {
    argument.kind = Kind::word;
    argument.word = word_of(value["other"], at + "/other");
  } else {
    fail(
        "{}: expected an argument: a number, a word, a list, {{\"v\": value}} or {{\"p\": "
        "parameter}}, got {}",
        at, brief(value));
  }
  return argument;
}

std::vector<TraceArgument> arguments_of(const json& values, const std::string& at) {
  std::vector<TraceArgument> arguments;
  for (std::size_t i = 0; i < values.size(); ++i)
    arguments.push_back(argument_of(values[i], fmt::format("{}/{}", at, i)));
  return arguments;
}

std::vector<std::size_t> indices_of(const json& values, const std::string& at) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < values.size(); ++i)
    indices.push_back(index_of(values[i], fmt::format("{}/{}", at, i)));
  return indices;
}

TraceParameter parameter_of(const json& value, const std::string& at) {
  TraceParameter p;
  p.name = word_of(member(value, "name", at), at + "/name");
  p.shape = shape_of(member(value, "shape", at), at + "/shape");
  p.dtype = dtype_of(member(value, "dtype", at), at + "/dtype");
  const auto flag = [&](const char* key, bool absent) {
    const auto it = value.find(key);
    if (it == value.end()) return absent;
    if (!it->is_boolean()) fail("{}/{}: expected true or false, got {}", at, key, brief(*it));
    return it->get<bool>();
  };
  p.buffer = flag("buffer", false);
  p.trainable = flag("trainable", !p.buffer);
  if (value.contains("same_as")) p.same_as = index_of(value["same_as"], at + "/same_as");
  return p;
}

TraceNode node_of(const json& value, const std::string& at) {
  TraceNode node;
  node.op = word_of(member(value, "op", at), at + "/op");
  node.in = arguments_of(list(value, "in", at), at + "/in");
  if (const auto named = value.find("kw"); named != value.end()) {
    if (!named->is_object()) fail("{}/kw: expected an object, got {}", at, brief(*named));
    for (const auto& [key, argument] : named->items())
      node.named.emplace_back(key, argument_of(argument, fmt::format("{}/kw/{}", at, key)));
  }
  node.out = indices_of(list(value, "out", at), at + "/out");
  if (value.contains("call")) node.call = index_of(value["call"], at + "/call");
  return node;
}

TraceCall call_of(const json& value, const std::string& at,
                  const std::vector<TraceModule>& modules) {
  TraceCall call;
  const auto path = word_of(member(value, "module", at), at + "/module");
  const auto it = std::find_if(modules.begin(), modules.end(),
                               [&](const TraceModule& m) { return m.path == path; });
  if (it == modules.end()) fail("{}/module: there is no module '{}'", at, path);
  call.module = static_cast<std::size_t>(it - modules.begin());
  if (value.contains("parent")) call.parent = index_of(value["parent"], at + "/parent");
  call.begin = index_of(member(value, "begin", at), at + "/begin");
  call.end = index_of(member(value, "end", at), at + "/end");
  call.in = arguments_of(list(value, "in", at), at + "/in");
  call.out = arguments_of(list(value, "out", at), at + "/out");
  return call;
}

// The places of a list that is read entry by entry.
template <class Read>
void each(const json& json_list, const std::string& at, Read&& read) {
  for (std::size_t i = 0; i < json_list.size(); ++i)
    read(json_list[i], fmt::format("{}/{}", at, i));
}

class Checker {
 public:
  explicit Checker(const TraceFile& trace) : trace_(trace), made_(trace.values.size(), false) {}

  void run() {
    modules();
    parameters();
    for (std::size_t i = 0; i < trace_.inputs.size(); ++i) make(trace_.inputs[i], "/inputs");
    for (const auto value : trace_.constants) make(value, "/constants");
    nodes();
    for (const auto& argument : trace_.outputs) readable(argument, "/outputs");
    calls();
  }

 private:
  void modules() const {
    if (trace_.modules.empty() || !trace_.modules[0].path.empty())
      fail("/modules: the first one must be the model itself, with the path \"\"");
    std::set<std::string> paths;
    for (std::size_t i = 0; i < trace_.modules.size(); ++i) {
      const auto& path = trace_.modules[i].path;
      if (!paths.insert(path).second) fail("/modules/{}: '{}' stands twice", i, path);
      const auto dot = path.rfind('.');
      const auto parent = dot == std::string::npos ? std::string() : path.substr(0, dot);
      if (i > 0 && paths.count(parent) == 0)
        fail("/modules/{}: '{}' stands before its parent '{}'", i, path, parent);
    }
  }

  void parameters() const {
    for (std::size_t i = 0; i < trace_.parameters.size(); ++i) {
      const auto& p = trace_.parameters[i];
      if (p.same_as && (*p.same_as >= i || trace_.parameters[*p.same_as].shape.rank() > kMaxRank ||
                        numel(trace_.parameters[*p.same_as].shape) != numel(p.shape)))
        fail("/parameters/{}/same_as: {} is no earlier parameter of its size", i, *p.same_as);
    }
  }

  void make(std::size_t value, const std::string& at) {
    if (value >= made_.size()) fail("{}: there is no value {}", at, value);
    if (made_[value]) fail("{}: value {} is made twice", at, value);
    made_[value] = true;
  }

  void readable(const TraceArgument& argument, const std::string& at) const {
    for (const auto& inner : argument.list) readable(inner, at);
    if (argument.kind == Kind::parameter && argument.index >= trace_.parameters.size())
      fail("{}: there is no parameter {}", at, argument.index);
    if (argument.kind == Kind::value && (argument.index >= made_.size() || !made_[argument.index]))
      fail("{}: value {} is read before it is made", at, argument.index);
  }

  void nodes() {
    for (std::size_t i = 0; i < trace_.nodes.size(); ++i) {
      const auto& node = trace_.nodes[i];
      const auto at = fmt::format("/nodes/{}", i);
      for (const auto& argument : node.in) readable(argument, at + "/in");
      for (const auto& [key, argument] : node.named) readable(argument, at + "/kw/" + key);
      for (const auto value : node.out) make(value, at + "/out");
      if (!node.call) continue;
      if (*node.call >= trace_.calls.size()) fail("{}/call: there is no call {}", at, *node.call);
      const auto& call = trace_.calls[*node.call];
      if (i < call.begin || i >= call.end)
        fail("{}/call: call {} has the nodes [{}, {})", at, *node.call, call.begin, call.end);
    }
  }

  void calls() const {
    if (trace_.calls.empty()) fail("/calls: empty; the first call is the model's own");
    for (std::size_t i = 0; i < trace_.calls.size(); ++i) {
      const auto& call = trace_.calls[i];
      const auto at = fmt::format("/calls/{}", i);
      if (i == 0 ? (call.parent.has_value() || call.module != 0)
                 : !call.parent || *call.parent >= i)
        fail("{}/parent: the first call is the model's own, all others are made by an earlier one",
             at);
      if (call.begin > call.end || call.end > trace_.nodes.size())
        fail("{}: nodes [{}, {}) of {}", at, call.begin, call.end, trace_.nodes.size());
      if (call.parent) {
        const auto& parent = trace_.calls[*call.parent];
        if (call.begin < parent.begin || call.end > parent.end)
          fail("{}: nodes [{}, {}) reach beyond its parent's", at, call.begin, call.end);
      }
      for (const auto& argument : call.in) readable(argument, at + "/in");
      for (const auto& argument : call.out) readable(argument, at + "/out");
    }
  }

  const TraceFile& trace_;
  std::vector<bool> made_;
};

}  // namespace

std::optional<DType> torch_dtype(std::string_view name) {
  for (const auto type :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
        DType::i8, DType::u64, DType::u32, DType::u16, DType::u8, DType::boolean})
    if (to_string(type) == name) return type;
  return std::nullopt;
}

bool is_trace(const json& value) {
  return value.is_object() && value.contains("format") && value["format"] == "vitals-trace";
}

void check(const TraceFile& trace) { Checker(trace).run(); }

TraceFile trace_from_json(const json& value) {
  const auto& version = member(value, "version", "");
  if (version != kTraceVersion)
    fail("/version: {} is not read; this vitals reads version {} of the format", brief(version),
         kTraceVersion);
  TraceFile trace;
  trace.model = word_of(member(value, "model", ""), "/model");
  if (value.contains("producer")) trace.producer = word_of(value["producer"], "/producer");
  if (const auto it = value.find("training"); it != value.end()) {
    if (!it->is_boolean()) fail("/training: expected true or false, got {}", brief(*it));
    trace.training = it->get<bool>();
  }
  each(list(value, "modules", ""), "/modules", [&](const json& m, const std::string& at) {
    if (!m.is_array() || m.size() != 2) fail("{}: expected [path, type], got {}", at, brief(m));
    trace.modules.push_back({word_of(m[0], at + "/0"), word_of(m[1], at + "/1")});
  });
  each(list(value, "parameters", ""), "/parameters", [&](const json& p, const std::string& at) {
    trace.parameters.push_back(parameter_of(p, at));
  });
  each(list(value, "values", ""), "/values", [&](const json& v, const std::string& at) {
    if (!v.is_array() || v.size() != 2) fail("{}: expected [shape, type], got {}", at, brief(v));
    trace.values.push_back({shape_of(v[0], at + "/0"), dtype_of(v[1], at + "/1")});
  });
  trace.inputs = indices_of(list(value, "inputs", ""), "/inputs");
  if (value.contains("constants"))
    trace.constants = indices_of(list(value, "constants", ""), "/constants");
  trace.outputs = arguments_of(list(value, "outputs", ""), "/outputs");
  each(list(value, "nodes", ""), "/nodes",
       [&](const json& n, const std::string& at) { trace.nodes.push_back(node_of(n, at)); });
  each(list(value, "calls", ""), "/calls", [&](const json& c, const std::string& at) {
    trace.calls.push_back(call_of(c, at, trace.modules));
  });
  check(trace);
  return trace;
}

}  // namespace vitals::torch
