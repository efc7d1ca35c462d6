#include "frontends/onnx/read.h"

#include "core/count.h"
#include "core/mapped_file.h"
#include "frontends/onnx/wire.h"

#include <limits>

namespace vitals::onnx {
namespace {

// Graphs in attributes of nodes of graphs: no exporter nests them nearly as deep.
constexpr int kDeepest = 64;

// A message of the file and how deep it stands.
struct Part {
  std::string_view file;
  std::string_view bytes;
  int depth = 0;

  [[nodiscard]] Part inner(const WireField& field) const {
    if (depth + 1 > kDeepest) fail("byte {}: messages are nested too deeply", field.at);
    return {file, bytes_of(field), depth + 1};
  }
};

// Calls `use` with every field of the message.
template <class Use>
void each_field(const Part& part, Use&& use) {
  WireReader reader(part.file, part.bytes);
  WireField field;
  while (reader.next(field)) use(field);
}

Graph read_graph(const Part& part);

std::pair<std::string_view, std::string_view> read_entry(const Part& part) {
  std::pair<std::string_view, std::string_view> entry;
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) entry.first = text_of(f);
    if (f.number == 2) entry.second = text_of(f);
  });
  return entry;
}

Tensor read_tensor(const Part& part) {
  Tensor tensor;
  tensor.message = part.bytes;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        append_integers(f, tensor.dims);
        break;
      case 2:
        tensor.type = static_cast<DataType>(integer_of(f));
        break;
      case 8:
        tensor.name = text_of(f);
        break;
      case 13: {
        const auto [key, value] = read_entry(part.inner(f));
        if (key == "location") tensor.location = value;
        break;
      }
      case 14:
        tensor.external = integer_of(f) == 1;
        break;
      default:
        break;
    }
  });
  Count elements = 1;
  try {
    for (const auto d : tensor.dims) {
      if (d < 0) fail("dimension {} is negative", d);
      elements *= static_cast<std::uint64_t>(d);
    }
  } catch (const Error& error) {
    throw error.within(fmt::format("tensor '{}'", tensor.name));
  }
  return tensor;
}

// What a sparse tensor stands for: its dims, without values.
Tensor read_sparse(const Part& part) {
  Tensor tensor;
  std::vector<std::int64_t> dims;
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) tensor = read_tensor(part.inner(f));
    if (f.number == 3) append_integers(f, dims);
  });
  tensor.dims = std::move(dims);
  tensor.message = {};
  tensor.external = true;
  return tensor;
}

Dimension read_dimension(const Part& part) {
  Dimension dimension;
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) dimension.value = integer_of(f);
    if (f.number == 2) dimension.symbol = text_of(f);
  });
  // Old exporters write 0 or -1 for what they do not know.
  if (dimension.value && *dimension.value < 0) dimension.value.reset();
  return dimension;
}

void read_tensor_type(const Part& part, ValueInfo& info) {
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) info.type = static_cast<DataType>(integer_of(f));
    if (f.number != 2) return;
    info.shaped = true;
    const auto shape = part.inner(f);
    each_field(shape, [&](const WireField& d) {
      if (d.number == 1) info.dims.push_back(read_dimension(shape.inner(d)));
    });
  });
}

ValueInfo read_value_info(const Part& part) {
  ValueInfo info;
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) info.name = text_of(f);
    if (f.number != 2) return;
    const auto type = part.inner(f);
    each_field(type, [&](const WireField& t) {
      if (t.number == 1) read_tensor_type(type.inner(t), info);
      if (t.number == 4 || t.number == 5 || t.number == 8 || t.number == 9) info.tensor = false;
    });
  });
  return info;
}

Attribute read_attribute(const Part& part) {
  Attribute a;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        a.name = text_of(f);
        break;
      case 2:
        a.f = float_of(f);
        break;
      case 3:
        a.i = integer_of(f);
        break;
      case 4:
        a.s = bytes_of(f);
        break;
      case 5:
        a.tensor = std::make_shared<Tensor>(read_tensor(part.inner(f)));
        break;
      case 6:
        a.graph = std::make_shared<Graph>(read_graph(part.inner(f)));
        break;
      case 7:
        append_floats(f, a.floats);
        break;
      case 8:
        append_integers(f, a.ints);
        break;
      case 9:
        a.strings.push_back(bytes_of(f));
        break;
      case 21:
        a.reference = text_of(f);
        break;
      case 22:
        a.tensor = std::make_shared<Tensor>(read_sparse(part.inner(f)));
        a.sparse = true;
        break;
      default:
        break;
    }
  });
  return a;
}

Node read_node(const Part& part) {
  Node node;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        node.inputs.push_back(text_of(f));
        break;
      case 2:
        node.outputs.push_back(text_of(f));
        break;
      case 3:
        node.name = text_of(f);
        break;
      case 4:
        node.type = text_of(f);
        break;
      case 5:
        node.attributes.push_back(read_attribute(part.inner(f)));
        break;
      case 7:
        node.domain = text_of(f);
        break;
      case 8:
        node.overload = text_of(f);
        break;
      case 9:
        node.metadata.push_back(read_entry(part.inner(f)));
        break;
      default:
        break;
    }
  });
  return node;
}

Graph read_graph(const Part& part) {
  Graph graph;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        graph.nodes.push_back(read_node(part.inner(f)));
        break;
      case 2:
        graph.name = text_of(f);
        break;
      case 5:
        graph.initializers.push_back(read_tensor(part.inner(f)));
        break;
      case 11:
        graph.inputs.push_back(read_value_info(part.inner(f)));
        break;
      case 12:
        graph.outputs.push_back(read_value_info(part.inner(f)));
        break;
      case 13:
        graph.values.push_back(read_value_info(part.inner(f)));
        break;
      case 15:
        graph.initializers.push_back(read_sparse(part.inner(f)));
        break;
      default:
        break;
    }
  });
  return graph;
}

Opset read_opset(const Part& part) {
  Opset opset;
  each_field(part, [&](const WireField& f) {
    if (f.number == 1) opset.domain = text_of(f);
    if (f.number == 2) opset.version = integer_of(f);
  });
  if (opset.domain == "ai.onnx") opset.domain = "";
  return opset;
}

Function read_function(const Part& part) {
  Function function;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        function.name = text_of(f);
        break;
      case 4:
        function.inputs.push_back(text_of(f));
        break;
      case 5:
        function.outputs.push_back(text_of(f));
        break;
      case 7:
        function.nodes.push_back(read_node(part.inner(f)));
        break;
      case 9:
        function.opsets.push_back(read_opset(part.inner(f)));
        break;
      case 10:
        function.domain = text_of(f);
        break;
      case 11:
        function.defaults.push_back(read_attribute(part.inner(f)));
        break;
      case 13:
        function.overload = text_of(f);
        break;
      default:
        break;
    }
  });
  return function;
}

Model read_parts(const Part& part) {
  Model model;
  bool has_graph = false;
  each_field(part, [&](const WireField& f) {
    switch (f.number) {
      case 1:
        model.ir_version = integer_of(f);
        break;
      case 2:
        model.producer = text_of(f);
        break;
      case 3:
        model.producer_version = text_of(f);
        break;
      case 7:
        model.graph = read_graph(part.inner(f));
        has_graph = true;
        break;
      case 8:
        model.opsets.push_back(read_opset(part.inner(f)));
        break;
      case 14:
        model.metadata.push_back(read_entry(part.inner(f)));
        break;
      case 25:
        model.functions.push_back(read_function(part.inner(f)));
        break;
      default:
        break;
    }
  });
  if (!has_graph) fail("holds no graph; is this an ONNX model?");
  return model;
}

}  // namespace

bool looks_like_onnx(std::string_view first_bytes) {
  // The fields of a ModelProto that stand before the graph are few and small.
  WireReader reader(first_bytes, first_bytes);
  WireField field;
  bool version = false;
  try {
    while (reader.next(field)) {
      const bool is_version = field.number == 1 && field.type == WireType::varint;
      if (is_version && field.value >= 1 && field.value <= 64)
        version = true;
      else if (field.number > 26 || field.type == WireType::fixed32 ||
               field.type == WireType::fixed64)
        return false;
    }
  } catch (const Error&) {
    // The graph begins, and is longer than these bytes.
    return version;
  }
  return version;
}

Model read_model(std::string_view bytes, const std::string& source) {
  try {
    auto model = read_parts({bytes, bytes, 0});
    model.file = bytes;
    return model;
  } catch (const Error& error) {
    throw error.within(source);
  }
}

Model read_model_file(const std::string& path) {
  auto file = std::make_shared<MappedFile>(path);
  auto model = read_model(file->bytes(), path);
  model.keeps_file = std::move(file);
  return model;
}

const Attribute* Node::find(std::string_view attribute) const {
  for (const auto& a : attributes)
    if (a.name == attribute) return &a;
  return nullptr;
}

}  // namespace vitals::onnx
