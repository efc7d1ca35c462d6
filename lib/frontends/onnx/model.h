// An ONNX file as plain data (onnx.proto): graphs, nodes, attributes, and of tensors all but their
// values. Names are views into the file. Must not know what an op means.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitals::onnx {

// TensorProto.DataType.
enum class DataType : std::int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23
};

// A tensor without its values, which are read from `message` when they are asked for.
struct Tensor {
  std::string_view name;
  DataType type = DataType::undefined;
  std::vector<std::int64_t> dims;
  bool external = false;      // its values are in another file, which is never opened
  std::string_view location;  // the name of that file
  std::string_view message;   // the whole TensorProto
};

// tensor(float)[N, 3], seq(tensor(float)), ...
struct Dimension {
  std::optional<std::int64_t> value;
  std::string_view symbol;  // "batch"; empty with a value, or where nothing is said
};

struct ValueInfo {
  std::string_view name;
  DataType type = DataType::undefined;
  bool shaped = false;  // whether a shape is stated
  bool tensor = true;   // and no sequence, map or optional
  std::vector<Dimension> dims;
};

struct Graph;

struct Attribute {
  std::string_view name;
  std::int64_t i = 0;
  double f = 0;
  std::string_view s;
  std::vector<std::int64_t> ints;
  std::vector<double> floats;
  std::vector<std::string_view> strings;
  std::shared_ptr<const Tensor> tensor;
  std::shared_ptr<const Graph> graph;
  std::string_view
      reference;        // of a function's node: the attribute of the caller that it stands for
  bool sparse = false;  // a sparse tensor, whose values are not read
};

using Metadata = std::vector<std::pair<std::string_view, std::string_view>>;

struct Node {
  std::string_view name;
  std::string_view type;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;  // an empty name: left out
  std::vector<std::string_view> outputs;
  std::vector<Attribute> attributes;
  Metadata metadata;

  [[nodiscard]] const Attribute* find(std::string_view attribute) const;
};

struct Graph {
  std::string_view name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<ValueInfo> values;  // intermediate ones whose types the exporter wrote
};

struct Opset {
  std::string_view domain;
  std::int64_t version = 0;
};

struct Function {
  std::string_view name;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<Attribute> defaults;
  std::vector<Node> nodes;
  std::vector<Opset> opsets;
};

struct Model {
  std::int64_t ir_version = 0;
  std::string_view producer;
  std::string_view producer_version;
  std::vector<Opset> opsets;
  Graph graph;
  std::vector<Function> functions;
  Metadata metadata;
  std::string_view file;                   // the bytes that all views look into
  std::shared_ptr<const void> keeps_file;  // what holds them
};

// Values of a small tensor.
struct Numbers {
  bool real = false;
  std::vector<std::int64_t> integers;  // of all integer types and of bool
  std::vector<double> reals;           // of all floating ones

  [[nodiscard]] std::size_t size() const { return real ? reals.size() : integers.size(); }
};

[[nodiscard]] bool is_real(DataType type);
[[nodiscard]] std::string_view to_string(DataType type);

}  // namespace vitals::onnx
