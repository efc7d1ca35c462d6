#include "frontends/torch/pt2.h"

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "frontends/spec/json_text.h"
#include "frontends/torch/model.h"
#include "frontends/torch/zip.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

namespace vitals {
namespace torch {
namespace {

using nlohmann::json;
using Kind = TraceArgument::Kind;

constexpr std::uint64_t kOldestMajor = 5;
constexpr std::uint64_t kNewestMajor = 8;

// ScalarType of torch/_export/serde/schema.py.
std::optional<DType> scalar_type(std::uint64_t code) {
  switch (code) {
    case 1:
      return DType::u8;
    case 2:
      return DType::i8;
    case 3:
      return DType::i16;
    case 4:
      return DType::i32;
    case 5:
      return DType::i64;
    case 6:
      return DType::f16;
    case 7:
      return DType::f32;
    case 8:
      return DType::f64;
    case 12:
      return DType::boolean;
    case 13:
      return DType::bf16;
    case 28:
      return DType::u16;
    default:
      return std::nullopt;
  }
}

const json& in_program(const json& object, const std::string& key, const std::string& at) {
  if (!object.is_object()) fail("{}: expected an object, got {}", at, brief(object));
  const auto it = object.find(key);
  if (it == object.end()) fail("{}/{}: missing", at, key);
  return *it;
}

std::string text_in(const json& object, const std::string& key, const std::string& at) {
  const auto& value = in_program(object, key, at);
  if (!value.is_string() || !is_printable_line(value.get<std::string>()))
    fail("{}/{}: expected a name, got {}", at, key, brief(value));
  return value.get<std::string>();
}

// Arguments that operators take by name alone; a program before schema 8 does not tell which are.
constexpr std::array<std::string_view, 14> kNamedOnly = {
    "alpha", "dtype",      "layout", "device",    "pin_memory",    "memory_format", "approximate",
    "scale", "enable_gqa", "out",    "generator", "rounding_mode", "non_blocking",  "output_dtype"};

class ProgramReader {
 public:
  ProgramReader(const json& program, std::vector<std::string>& notes)
      : program_(program), notes_(notes) {}

  TraceFile read() {
    const auto& module = in_program(program_, "graph_module", "");
    const auto& graph = in_program(module, "graph", "/graph_module");
    sizes_ = &in_program(graph, "tensor_values", kGraph);
    if (const auto it = graph.find("sym_int_values"); it != graph.end()) sym_ints_ = &*it;
    add_module("", "ExportedProgram");
    read_signature(in_program(in_program(module, "signature", "/graph_module"), "input_specs",
                              "/graph_module/signature"));
    const auto& nodes = in_program(graph, "nodes", kGraph);
    if (!nodes.is_array()) fail("{}/nodes: expected a list, got {}", kGraph, brief(nodes));
    call(0, std::nullopt);
    open_.push_back({"", 0});
    for (std::size_t i = 0; i < nodes.size(); ++i)
      read_node(nodes[i], fmt::format("{}/nodes/{}", kGraph, i));
    close_to(0);
    trace_.calls[0].end = trace_.nodes.size();
    read_outputs(in_program(graph, "outputs", kGraph));
    for (const auto& [name, hint] : symbols_)
      notes_.push_back(
          fmt::format("the size {} is symbolic; {} is taken, its example", name, hint));
    check(trace_);
    return std::move(trace_);
  }

 private:
  static constexpr const char* kGraph = "/graph_module/graph";

  // {"as_int": 3}, or {"as_expr": {"expr_str": "s0", "hint": {"as_int": 4}}}
  std::uint64_t size(const json& value, const std::string& at) {
    if (value.is_object() && value.contains("as_int") && value["as_int"].is_number_integer()) {
      const auto n = value["as_int"].get<std::int64_t>();
      if (n >= 0) return static_cast<std::uint64_t>(n);
    }
    if (value.is_object() && value.contains("as_expr")) {
      const auto& expression = value["as_expr"];
      const auto name = text_in(expression, "expr_str", at + "/as_expr");
      const auto hint = expression.find("hint");
      const bool known = hint != expression.end() && hint->is_object() &&
                         hint->contains("as_int") && (*hint)["as_int"].is_number_unsigned();
      if (!known)
        fail("{}: the size {} is symbolic and has no example; export without dynamic shapes", at,
             name);
      const auto n = (*hint)["as_int"].get<std::uint64_t>();
      symbols_.emplace(name, n);
      return n;
    }
    fail("{}: expected a size, got {}", at, brief(value));
  }

  TraceValue meta(const std::string& name, const std::string& at) {
    const auto it = sizes_->find(name);
    if (it == sizes_->end()) fail("{}: '{}' has no entry in tensor_values", at, name);
    const auto place = fmt::format("{}/tensor_values/{}", kGraph, name);
    const auto& dtype = in_program(*it, "dtype", place);
    const auto type =
        dtype.is_number_unsigned() ? scalar_type(dtype.get<std::uint64_t>()) : std::nullopt;
    if (!type) fail("{}/dtype: element type {} is not read", place, brief(dtype));
    const auto& sizes = in_program(*it, "sizes", place);
    if (!sizes.is_array() || sizes.size() > kMaxRank)
      fail("{}/sizes: expected up to {} sizes, got {}", place, kMaxRank, brief(sizes));
    TraceValue value;
    value.dtype = *type;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      value.shape.push_back(size(sizes[i], fmt::format("{}/sizes/{}", place, i)));
    try {
      (void)(numel(value.shape) * 8);
    } catch (const Error& error) {
      throw error.within(place);
    }
    return value;
  }

  std::size_t make(const std::string& name, const std::string& at) {
    const auto index = trace_.values.size();
    trace_.values.push_back(meta(name, at));
    TraceArgument argument;
    argument.kind = Kind::value;
    argument.index = index;
    names_[name] = argument;
    return index;
  }

  void own(const std::string& name, const std::string& parameter, bool buffer,
           const std::string& at) {
    const auto value = meta(name, at);
    TraceParameter p;
    p.name = parameter;
    p.shape = value.shape;
    p.dtype = value.dtype;
    p.buffer = buffer;
    p.trainable = !buffer;
    TraceArgument argument;
    argument.kind = Kind::parameter;
    argument.index = trace_.parameters.size();
    names_[name] = argument;
    trace_.parameters.push_back(std::move(p));
  }

  void read_signature(const json& specs) {
    if (!specs.is_array())
      fail("/graph_module/signature/input_specs: expected a list, got {}", brief(specs));
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const auto at = fmt::format("/graph_module/signature/input_specs/{}", i);
      const auto& spec = specs[i];
      if (!spec.is_object() || spec.size() != 1)
        fail("{}: expected one kind of input, got {}", at, brief(spec));
      const auto kind = spec.begin().key();
      const auto& value = spec.begin().value();
      const auto place = at + "/" + kind;
      if (kind == "parameter")
        own(text_in(in_program(value, "arg", place), "name", place),
            text_in(value, "parameter_name", place), false, place);
      else if (kind == "buffer")
        own(text_in(in_program(value, "arg", place), "name", place),
            text_in(value, "buffer_name", place), true, place);
      else if (kind == "tensor_constant")
        trace_.constants.push_back(
            make(text_in(in_program(value, "arg", place), "name", place), place));
      else if (kind == "user_input")
        if (const auto& arg = in_program(value, "arg", place);
            arg.is_object() && arg.contains("as_tensor"))
          trace_.inputs.push_back(make(text_in(arg["as_tensor"], "name", place), place));
    }
  }

  TraceArgument tensor(const json& value, const std::string& at) {
    const auto name = text_in(value, "name", at);
    const auto it = names_.find(name);
    if (it == names_.end()) fail("{}: '{}' is read before it is made", at, name);
    return it->second;
  }

  static TraceArgument number_of(double x) {
    TraceArgument argument;
    argument.kind = Kind::number;
    argument.number = x;
    return argument;
  }

  // A size that an operator is given: a number, or the name of one that was computed.
  TraceArgument sym_int(const json& value, const std::string& at) {
    if (value.is_object() && value.contains("as_int") && value["as_int"].is_number())
      return number_of(value["as_int"].get<double>());
    const auto name = text_in(value, "as_name", at);
    if (sym_ints_ != nullptr && sym_ints_->contains(name))
      return number_of(static_cast<double>(size((*sym_ints_)[name], at)));
    fail("{}: the size '{}' is not known", at, name);
  }

  template <class Read>
  TraceArgument list_of(const json& values, const std::string& at, Read&& read) {
    if (!values.is_array()) fail("{}: expected a list, got {}", at, brief(values));
    TraceArgument argument;
    argument.kind = Kind::list;
    for (std::size_t i = 0; i < values.size(); ++i)
      argument.list.push_back(read(values[i], fmt::format("{}/{}", at, i)));
    return argument;
  }

  TraceArgument plain(const json& value, const std::string& at) {
    TraceArgument argument;
    if (value.is_boolean()) {
      argument.kind = Kind::flag;
      argument.flag = value.get<bool>();
      argument.number = argument.flag ? 1 : 0;
    } else if (value.is_number()) {
      return number_of(value.get<double>());
    } else if (value.is_string()) {
      argument.kind = Kind::word;
      argument.word = value.get<std::string>();
      if (argument.word == "Infinity") return number_of(std::numeric_limits<double>::infinity());
      if (argument.word == "-Infinity") return number_of(-std::numeric_limits<double>::infinity());
    } else {
      fail("{}: expected a plain value, got {}", at, brief(value));
    }
    return argument;
  }

  TraceArgument optional_tensor(const json& value, const std::string& at) {
    if (value.is_object() && value.contains("as_tensor")) return tensor(value["as_tensor"], at);
    return {};
  }

  TraceArgument argument(const json& value, const std::string& at) {
    if (!value.is_object() || value.size() != 1)
      fail("{}: expected one kind of argument, got {}", at, brief(value));
    const auto kind = value.begin().key();
    const auto& inner = value.begin().value();
    const auto place = at + "/" + kind;
    if (kind == "as_none") return {};
    if (kind == "as_tensor") return tensor(inner, place);
    if (kind == "as_optional_tensor") return optional_tensor(inner, place);
    if (kind == "as_tensors")
      return list_of(inner, place,
                     [&](const json& v, const std::string& p) { return tensor(v, p); });
    if (kind == "as_optional_tensors")
      return list_of(inner, place,
                     [&](const json& v, const std::string& p) { return optional_tensor(v, p); });
    if (kind == "as_sym_int") return sym_int(inner, place);
    if (kind == "as_sym_ints")
      return list_of(inner, place,
                     [&](const json& v, const std::string& p) { return sym_int(v, p); });
    if (kind == "as_int" || kind == "as_float" || kind == "as_bool" || kind == "as_string")
      return plain(inner, place);
    if (kind == "as_ints" || kind == "as_floats" || kind == "as_bools" || kind == "as_strings")
      return list_of(inner, place,
                     [&](const json& v, const std::string& p) { return plain(v, p); });
    TraceArgument other;  // a type, a device, a graph: no rule reads it
    other.kind = Kind::word;
    other.word = kind;
    return other;
  }

  static bool by_name(const json& input, const std::string& name) {
    if (const auto kind = input.find("kind"); kind != input.end() && kind->is_number_unsigned())
      return *kind == 2;
    return std::find(kNamedOnly.begin(), kNamedOnly.end(), name) != kNamedOnly.end();
  }

  void read_node(const json& value, const std::string& at) {
    TraceNode node;
    node.op = text_in(value, "target", at);
    enter(value.value("metadata", json::object()), at);
    const auto& inputs = in_program(value, "inputs", at);
    if (!inputs.is_array()) fail("{}/inputs: expected a list, got {}", at, brief(inputs));
    const bool tensors = has_tensors(in_program(value, "outputs", at));
    for (std::size_t i = 0; tensors && i < inputs.size(); ++i) {
      const auto place = fmt::format("{}/inputs/{}", at, i);
      auto read = argument(in_program(inputs[i], "arg", place), place + "/arg");
      const auto name = text_in(inputs[i], "name", place);
      if (by_name(inputs[i], name))
        node.named.emplace_back(name, std::move(read));
      else
        node.in.push_back(std::move(read));
    }
    if (!tensors) return;  // sizes, assertions
    for (const auto& output : value["outputs"]) read_output(output, node, at + "/outputs");
    node.call = open_.back().call;
    auto& out = trace_.calls;
    for (const auto& open : open_) {
      TraceArgument last;
      last.kind = Kind::value;
      last.index = node.out.front();
      if (open.call != 0) out[open.call].out = {last};
    }
    trace_.nodes.push_back(std::move(node));
  }

  static bool has_tensors(const json& outputs) {
    return outputs.is_array() && std::any_of(outputs.begin(), outputs.end(), [](const json& o) {
             return o.is_object() && (o.contains("as_tensor") ||
                                      (o.contains("as_tensors") && !o["as_tensors"].empty()));
           });
  }

  void read_output(const json& output, TraceNode& node, const std::string& at) {
    if (output.contains("as_tensor"))
      node.out.push_back(make(text_in(output["as_tensor"], "name", at), at));
    if (output.contains("as_tensors") && output["as_tensors"].is_array())
      for (const auto& t : output["as_tensors"])
        node.out.push_back(make(text_in(t, "name", at), at));
  }

  void read_outputs(const json& outputs) {
    if (!outputs.is_array()) fail("{}/outputs: expected a list, got {}", kGraph, brief(outputs));
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].is_object() && outputs[i].contains("as_tensor"))
        trace_.outputs.push_back(
            tensor(outputs[i]["as_tensor"], fmt::format("{}/outputs/{}", kGraph, i)));
    trace_.calls[0].out = trace_.outputs;
  }

  // "KEY,PATH,TYPE" of every module that an operator runs in, from the outside in, with semicolons.
  struct Frame {
    std::string key;
    std::size_t call = 0;
  };

  void enter(const json& metadata, const std::string& at) {
    if (!metadata.is_object() || !metadata.contains("nn_module_stack")) return;
    const auto text = text_in(metadata, "nn_module_stack", at + "/metadata");
    std::size_t depth = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto frame = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), frame.size() + 1));
      const auto type_at = frame.rfind(',');
      const auto path_at = type_at == std::string_view::npos || type_at == 0
                               ? std::string_view::npos
                               : frame.rfind(',', type_at - 1);
      if (path_at == std::string_view::npos)
        fail("{}/metadata/nn_module_stack: expected KEY,PATH,TYPE, got '{}'", at, frame);
      visit(std::string(frame.substr(0, path_at)),
            std::string(frame.substr(path_at + 1, type_at - path_at - 1)),
            std::string(frame.substr(type_at + 1)), depth++);
    }
    if (depth > 0) close_to(depth - 1);
  }

  void visit(const std::string& key, const std::string& path, const std::string& type,
             std::size_t depth) {
    const auto name = type.substr(type.rfind('.') == std::string::npos ? 0 : type.rfind('.') + 1);
    if (depth == 0) {  // the model itself
      trace_.modules[0].type = name;
      return;
    }
    if (depth < open_.size() && open_[depth].key == key) return;
    close_to(depth - 1);
    const auto module = add_module(path, name);
    call(module, open_.back().call);
    open_.push_back({key, trace_.calls.size() - 1});
  }

  // Leaves only the frames up to this depth open.
  void close_to(std::size_t depth) {
    while (open_.size() > depth + 1) {
      trace_.calls[open_.back().call].end = trace_.nodes.size();
      open_.pop_back();
    }
  }

  void call(std::size_t module, std::optional<std::size_t> parent) {
    TraceCall made;
    made.module = module;
    made.parent = parent;
    made.begin = trace_.nodes.size();
    made.end = made.begin;
    trace_.calls.push_back(std::move(made));
  }

  // With the modules that hold it and are never called.
  std::size_t add_module(const std::string& path, const std::string& type) {
    const auto known = module_at_.find(path);
    if (known != module_at_.end()) {
      auto& module = trace_.modules[known->second];
      if (module.type == kContainer) module.type = type;
      return known->second;
    }
    if (const auto dot = path.rfind('.'); dot != std::string::npos)
      (void)add_module(path.substr(0, dot), kContainer);
    module_at_[path] = trace_.modules.size();
    trace_.modules.push_back({path, type});
    return trace_.modules.size() - 1;
  }

  static constexpr const char* kContainer = "ModuleList";

  const json& program_;
  std::vector<std::string>& notes_;
  const json* sizes_ = nullptr;
  const json* sym_ints_ = nullptr;
  TraceFile trace_;
  std::map<std::string, TraceArgument> names_;
  std::map<std::string, std::size_t> module_at_;
  std::map<std::string, std::uint64_t> symbols_;
  std::vector<Frame> open_;
};

std::string schema_version(const json& program) {
  const auto& version = in_program(program, "schema_version", "");
  const auto part = [&](const char* key) {
    const auto& n = in_program(version, key, "/schema_version");
    if (!n.is_number_unsigned())
      fail("/schema_version/{}: expected a number, got {}", key, brief(n));
    return n.get<std::uint64_t>();
  };
  const auto major = part("major");
  if (major < kOldestMajor || major > kNewestMajor)
    fail(
        "/schema_version: {}.{} is not read; this vitals reads {} to {} of torch.export's schema "
        "(tools/"
        "export_trace.py records the module without it)",
        major, part("minor"), kOldestMajor, kNewestMajor);
  return fmt::format("{}.{}", major, part("minor"));
}

}  // namespace

TraceFile trace_from_exported(const json& program, std::vector<std::string>& notes) {
  const auto version = schema_version(program);
  auto trace = ProgramReader(program, notes).read();
  const auto torch_version = program.find("torch_version");
  trace.producer = fmt::format("torch.export, schema {}", version);
  if (torch_version != program.end() && torch_version->is_string() &&
      is_printable_line(torch_version->get<std::string>()))
    trace.producer += ", torch " + torch_version->get<std::string>();
  return trace;
}

}  // namespace torch

namespace {

constexpr std::uint64_t kMaxProgramBytes = std::uint64_t{256} << 20;

// The graph as JSON: of torch 2.9 and later below models/, of earlier ones at the top.
const torch::ZipEntry* program_entry(const std::vector<torch::ZipEntry>& entries) {
  const torch::ZipEntry* found = nullptr;
  for (const auto& entry : entries) {
    const std::string_view name = entry.name;
    const bool old = name == "serialized_exported_program.json" ||
                     name.ends_with("/serialized_exported_program.json");
    const auto models = name.find("models/");
    const bool is_new = models != std::string_view::npos &&
                        (models == 0 || name[models - 1] == '/') && name.ends_with(".json") &&
                        name.find('/', models + 7) == std::string_view::npos;
    if (!old && !is_new) continue;
    if (found != nullptr)
      fail("holds several exported programs: {} and {}; save one alone", found->name, entry.name);
    found = &entry;
  }
  return found;
}

}  // namespace

bool is_pt2(const std::string& path) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(path, code)) return false;
  const RandomAccessFile file(path);
  if (!torch::begins_like_zip(file.head(4))) return path.ends_with(".pt2");
  if (path.ends_with(".pt2")) return true;
  try {
    return program_entry(torch::read_zip(file)) != nullptr;
  } catch (const Error&) {
    return false;  // what it is, others say
  }
}

Model model_from_pt2(const std::string& path, const std::string& fallback_name) {
  std::vector<std::string> notes;
  torch::TraceFile trace;
  try {
    const RandomAccessFile file(path);
    if (!torch::begins_like_zip(file.head(4)))
      fail("is no zip archive, which torch.export.save writes");
    const auto entries = torch::read_zip(file);
    const auto* entry = program_entry(entries);
    if (entry == nullptr)
      fail("holds no exported program (serialized_exported_program.json, or models/NAME.json)");
    const auto where = printable_line(entry->name);
    const auto text = torch::read_entry(file, *entry, kMaxProgramBytes);
    try {
      trace = torch::trace_from_exported(parse_json(text, where), notes);
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.starts_with(where)) throw;
      throw error.within(where);
    }
  } catch (const Error& error) {
    throw error.within(path);
  }
  trace.model = fallback_name;
  auto model = model_from_trace(trace, path);
  for (const auto& note : notes) model.notes.push_back(path + ": " + note);
  return model;
}

}  // namespace vitals
