// A recorded forward call of a torch.nn.Module as plain data: modules, parameters, module calls,
// and the ATen operators between values that have a shape and no data. Its JSON form is the format
// "vitals-trace" (docs/trace.md), which tools/export_trace.py writes. Must not know what an
// operator does.
#pragma once

#include "core/dtype.h"
#include "core/shape.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vitals::torch {

inline constexpr std::uint64_t kTraceVersion = 1;

struct TraceModule {
  std::string path;
  std::string type;
};

struct TraceParameter {
  std::string name;  // with its module's path
  Shape shape;
  DType dtype = DType::f32;
  bool buffer = false;
  bool trainable = true;
  std::optional<std::size_t> same_as;  // an earlier one
};

struct TraceValue {
  Shape shape;
  DType dtype = DType::f32;
};

// What an operator reads: a value, a parameter, a list of arguments, or a plain number or word.
struct TraceArgument {
  enum class Kind : std::uint8_t { none, value, parameter, list, number, flag, word };
  Kind kind = Kind::none;
  std::size_t index = 0;  // of the value or parameter
  double number = 0;
  bool flag = false;
  std::string word;
  std::vector<TraceArgument> list;
};

struct TraceNode {
  std::string op;  // "aten.addmm.default"
  std::vector<TraceArgument> in;
  std::vector<std::pair<std::string, TraceArgument>> named;
  std::vector<std::size_t> out;  // values, each made once
  std::optional<std::size_t> call;
};

struct TraceCall {
  std::size_t module = 0;
  std::optional<std::size_t> parent;  // an earlier call
  std::size_t begin = 0;              // its nodes are [begin, end)
  std::size_t end = 0;
  std::vector<TraceArgument> in;  // values and parameters
  std::vector<TraceArgument> out;
};

struct TraceFile {
  std::string model;
  std::string producer;
  std::optional<bool> training;      // Module.training; nothing: not known
  std::vector<TraceModule> modules;  // parents first; the first is the model itself, with path ""
  std::vector<TraceParameter> parameters;
  std::vector<TraceValue> values;
  std::vector<std::size_t> inputs;
  std::vector<std::size_t>
      constants;  // tensors that the module keeps outside parameters and buffers
  std::vector<TraceArgument> outputs;
  std::vector<TraceCall> calls;  // in order of entry; the first is the model's own
  std::vector<TraceNode> nodes;
};

// Reads the JSON form; throws Error with a JSON pointer: "/nodes/3/in/0: ...".
[[nodiscard]] TraceFile trace_from_json(const nlohmann::json& json);

// The same the other way: what it reads is the same trace.
[[nodiscard]] nlohmann::ordered_json trace_to_json(const TraceFile& trace);

// Whether an object states the format.
[[nodiscard]] bool is_trace(const nlohmann::json& json);

// PyTorch's name of an element type; nothing for one that a trace cannot have ("complex64").
[[nodiscard]] std::optional<DType> torch_dtype(std::string_view name);

// What must hold for any front end that makes one: every index is of something that came before.
// Throws Error with the place.
void check(const TraceFile& trace);

}  // namespace vitals::torch
