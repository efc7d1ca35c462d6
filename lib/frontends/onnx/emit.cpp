#include "frontends/onnx/emit.h"

#include "cost/macs.h"
#include "frontends/onnx/emit_ops.h"
#include "frontends/onnx/lift.h"
#include "frontends/onnx/module_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace vitals::onnx {
namespace {

using vitals::Tensor;  // of the trace; onnx::Tensor is a file's

// Modules that a class of torch.nn runs alone, by the op that a step is; "#" is the number of
// spatial dimensions.
std::string leaf_type(const Step& step, std::size_t rank) {
  static const std::unordered_map<std::string_view, std::string_view> kTypes = {
      {"Gemm", "Linear"},       {"MatMul", "Linear"},
      {"Relu", "ReLU"},         {"Sigmoid", "Sigmoid"},
      {"Tanh", "Tanh"},         {"HardSwish", "Hardswish"},
      {"LSTM", "LSTM"},         {"GRU", "GRU"},
      {"RNN", "RNN"},           {"LayerNormalization", "LayerNorm"},
      {"Softmax", "Softmax"},   {"GlobalAveragePool", "AdaptiveAvgPool#d"},
      {"Dropout", "Dropout"},   {"HardSigmoid", "Hardsigmoid"},
      {"PRelu", "PReLU"},       {"LeakyRelu", "LeakyReLU"},
      {"Flatten", "Flatten"},   {"InstanceNormalization", "InstanceNorm#d"},
      {"Conv", "Conv#d"},       {"ConvTranspose", "ConvTranspose#d"},
      {"MaxPool", "MaxPool#d"}, {"AveragePool", "AvgPool#d"},
      {"Identity", "Identity"}, {"BatchNormalization", "BatchNorm#d"},
      {"Elu", "ELU"},           {"GroupNormalization", "GroupNorm"},
      {"Gelu", "GELU"},         {"Softplus", "Softplus"},
      {"Gather", "Embedding"},
  };
  const auto found = kTypes.find(step.type);
  if (found == kTypes.end()) return "Module";
  std::string type(found->second);
  if (const auto place = type.find('#'); place != std::string::npos)
    type.replace(place, 1, std::to_string(std::max<std::size_t>(rank, 3) - 2));
  return type;
}

// Whether all but one dimension are 1, as of a bias that an exporter reshaped.
bool is_vector(const Extents& dims) {
  return std::count_if(dims.begin(), dims.end(), [](std::int64_t d) { return d != 1; }) <= 1;
}

class Emitter final : public StepWriter {
 public:
  Emitter(Builder& builder, const Model& model, Program& program)
      : b_(builder), model_(model), program_(program) {
    tensors_.resize(program.values.size());
    last_use_.assign(program.values.size(), 0);
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
      paths_.push_back(module_path(program, program.steps[i]));
      const auto& step = program.steps[i];
      for (std::size_t k = 0; k < step.inputs.size(); ++k) {
        if (step.inputs[k] == kAbsent) continue;
        last_use_[step.inputs[k]] = i + 1;
        note_use(step, k);
      }
    }
    for (const auto id : program.outputs) last_use_[id] = program.steps.size() + 1;
  }

  Tensors run() {
    for (const auto id : program_.inputs) {
      const auto& value = program_.values[id];
      tensors_[id] = b_.input(shape_of(value), dtype_of(value.type)).id();
    }
    emit(0, program_.steps.size(), 0);
    Tensors outputs;
    for (const auto id : program_.outputs) outputs.push_back(value(id));
    return outputs;
  }

  // --- What rules ask for

  Builder& builder() override { return b_; }
  const Value& info(ValueId id) const override { return program_.values[id]; }
  OpContext context(const Step& step) override {
    return {model_, *step.node, step.opset, program_.values, step.inputs};
  }

  Tensor value(ValueId id) override {
    if (tensors_[id]) return Tensor(b_, *tensors_[id]);
    const auto& value = program_.values[id];
    if (is_parameter(id)) {
      const auto shape = shape_of(value);
      const auto param = parameter(id, false);
      return b_.add(op::Parameter{shape}, {}, param);
    }
    return b_.constant(value.shaped ? shape_of(value) : Shape{}, dtype_of(value.type));
  }

  // What an exporter computed from weights or sizes has no name of its own ("/Constant_3_output_0",
  // "onnx::MatMul_12"): as an operand of a product it is a weight, as a vector a bias.
  bool is_parameter(ValueId id) const override {
    const auto& value = program_.values[id];
    if (value.initializer == nullptr || !is_real(value.type) || value.dims.empty()) return false;
    const auto uses = uses_.find(value.initializer);
    const auto use = uses == uses_.end() ? Use::other : uses->second;
    if (use == Use::scale) return false;
    const auto name = value.initializer->name;
    if (name.starts_with('/')) return use == Use::product;
    if (name.starts_with("onnx::")) return use == Use::product || is_vector(value.dims);
    return true;
  }

  ParamId parameter(ValueId id, bool buffer) override {
    const auto& value = program_.values[id];
    const auto known = params_.find(value.initializer);
    if (known != params_.end()) return known->second;
    std::string name(value.initializer->name);
    const auto prefix = here_.empty() ? std::string() : here_ + ".";
    if (!prefix.empty() && name.starts_with(prefix)) name = name.substr(prefix.size());
    const auto param = buffer ? b_.param(name, shape_of(value), true)
                              : b_.param(name, shape_of(value), Role::other);
    if (!is_real(value.type)) b_.graph().params[param].dtype = dtype_of(value.type);
    params_.emplace(value.initializer, param);
    return param;
  }

 private:
  enum class Use : std::uint8_t { other, scale, product };

  // What the step does with its input `i`.
  static Use use_of(const Step& step, std::size_t i) {
    const auto type = step.type;
    if (type == "QuantizeLinear" || type == "DequantizeLinear")
      return i > 0 ? Use::scale : Use::other;
    if (type == "Gather" && i == 0) return Use::product;
    return step.macs > Count(0) ? Use::product : Use::other;
  }

  void note_use(const Step& step, std::size_t i) {
    const auto* initializer = program_.values[step.inputs[i]].initializer;
    if (initializer == nullptr) return;
    auto& use = uses_.try_emplace(initializer, use_of(step, i)).first->second;
    use = std::max(use, use_of(step, i));
  }

  // Steps [begin, end) stand `depth` modules deep under the current one.
  void emit(std::size_t begin, std::size_t end, std::size_t depth) {
    for (std::size_t i = begin; i < end;) {
      const auto& parts = paths_[i].parts;
      if (parts.size() <= depth) {
        i += emit_from(i, end);
        continue;
      }
      std::size_t next = i + 1;
      while (next < end && paths_[next].parts.size() > depth &&
             paths_[next].parts[depth].name == parts[depth].name)
        ++next;
      emit_module(i, next, depth);
      i = next;
    }
  }

  void emit_module(std::size_t begin, std::size_t end, std::size_t depth) {
    const auto& part = paths_[begin].parts[depth];
    const auto outputs = results(begin, end);
    const auto type = type_of(begin, end, depth);
    const auto around = here_;
    here_ = around.empty() ? part.name : around + "." + part.name;
    b_.call(part.name, ModuleType(type, Role::none, torch_class(type)), operands(begin, end), [&] {
      emit(begin, end, depth + 1);
      Tensors made;
      for (const auto id : outputs)
        if (tensors_[id]) made.emplace_back(b_, *tensors_[id]);
      return made;
    });
    here_ = around;
  }

  // The class that the file states; else of a module without others that of its op.
  std::string type_of(std::size_t begin, std::size_t end, std::size_t depth) const {
    const auto& part = paths_[begin].parts[depth];
    if (!part.type.empty()) return part.type;
    for (std::size_t i = begin; i < end; ++i)
      if (paths_[i].parts.size() > depth + 1) return "Module";
    const auto& made = program_.steps[begin].outputs;
    const auto rank = made.empty() || made[0] == kAbsent ? 0 : info(made[0]).dims.size();
    const auto first = leaf_type(program_.steps[begin], rank);
    const bool product = program_.steps[begin].type == "MatMul" && end - begin == 2;
    return end - begin == 1 || product ? first : "Module";
  }

  // Data that the steps read and do not make, and what they make for others.
  Tensors operands(std::size_t begin, std::size_t end) {
    Tensors inputs;
    std::vector<NodeId> seen;
    for (std::size_t i = begin; i < end; ++i)
      for (const auto id : program_.steps[i].inputs)
        if (id != kAbsent && tensors_[id] &&
            std::find(seen.begin(), seen.end(), *tensors_[id]) == seen.end()) {
          seen.push_back(*tensors_[id]);
          inputs.emplace_back(b_, *tensors_[id]);
        }
    return inputs;
  }
  std::vector<ValueId> results(std::size_t begin, std::size_t end) const {
    std::vector<ValueId> outputs;
    for (std::size_t i = begin; i < end; ++i)
      for (const auto id : program_.steps[i].outputs)
        if (id != kAbsent && last_use_[id] > end) outputs.push_back(id);
    return outputs;
  }

  // One step, or several that are one function, of those before `end`. Returns how many.
  std::size_t emit_from(std::size_t index, std::size_t end) {
    const auto lifted = lift_at(program_, index, last_use_);
    if (!lifted || index + lifted->steps > end || !same_module(index, lifted->steps)) {
      emit_step(index);
      return 1;
    }
    tensors_[lifted->output] = b_.add(lifted->op, {value(lifted->input)}).id();
    note_lifted(*lifted);
    return lifted->steps;
  }
  bool same_module(std::size_t first, std::size_t count) const {
    for (std::size_t i = first + 1; i < first + count; ++i)
      if (paths_[i].parts != paths_[first].parts) return false;
    return true;
  }
  void note_lifted(const Lifted& lifted) {
    auto& all = b_.graph().lifted;
    const auto known = std::find_if(all.begin(), all.end(), [&](const LiftedPattern& pattern) {
      return pattern.pattern == lifted.pattern;
    });
    if (known == all.end()) {
      all.push_back({std::string(lifted.pattern), std::string(vitals::name_of(lifted.op.kind)), 1,
                     lifted.steps});
      return;
    }
    ++known->times;
    known->nodes += lifted.steps;
  }

  void emit_step(std::size_t index) {
    const auto& step = program_.steps[index];
    try {
      if (!emit_own(step)) emit_opaque(step);
    } catch (const Error& error) {
      throw error.within(fmt::format("node '{}' ({})", step.node->name, step.type));
    }
  }

  // As an op of the trace, if that agrees with ONNX's rule in shape and work.
  bool emit_own(const Step& step) {
    const auto rule = op_rule(step.type);
    if (rule == nullptr || !step.shaped) return false;
    auto& nodes = b_.graph().nodes;
    const auto before = nodes.size();
    Tensors made;
    try {
      made = rule(*this, step);
    } catch (const Error&) {
      made.clear();
    }
    bool agrees = made.size() == produced(step);
    for (std::size_t i = 0, k = 0; agrees && i < step.outputs.size(); ++i)
      if (step.outputs[i] != kAbsent) agrees = made[k++].shape() == shape_of(info(step.outputs[i]));
    Count work;
    for (std::size_t i = before; agrees && i < nodes.size(); ++i)
      work += macs(b_.graph(), nodes[i]);
    if (!agrees || work != step.macs) {
      nodes.resize(before);
      return false;
    }
    std::size_t k = 0;
    for (const auto id : step.outputs)
      if (id != kAbsent) tensors_[id] = made[k++].id();
    return true;
  }

  static std::size_t produced(const Step& step) {
    return static_cast<std::size_t>(std::count_if(step.outputs.begin(), step.outputs.end(),
                                                  [](ValueId id) { return id != kAbsent; }));
  }

  void emit_opaque(const Step& step) {
    Tensors inputs;
    for (const auto id : step.inputs)
      if (id != kAbsent && !info(id).is_sequence) inputs.push_back(value(id));
    std::optional<Tensor> first;
    for (const auto id : step.outputs) {
      if (id == kAbsent) continue;
      const auto& value = info(id);
      const auto shape = value.shaped ? shape_of(value) : Shape{};
      const auto type = dtype_of(value.type);
      if (first) {
        tensors_[id] = b_.add(op::SideOutput{shape, type}, {*first}).id();
        continue;
      }
      first = b_.add(op::Opaque{std::string(step.type), shape, type, step.macs.value(),
                                step.known && step.shaped},
                     inputs);
      tensors_[id] = first->id();
    }
  }

  Builder& b_;
  const Model& model_;
  Program& program_;
  std::vector<std::optional<NodeId>> tensors_;
  std::vector<std::size_t> last_use_;  // the step after the last one that reads it
  std::vector<ModulePath> paths_;
  std::unordered_map<const onnx::Tensor*, ParamId> params_;
  std::unordered_map<const onnx::Tensor*, Use> uses_;
  std::string here_;  // the path of the current module
};

}  // namespace

Shape shape_of(const Value& value) {
  if (value.dims.size() > kMaxRank)
    fail("'{}' has {} dimensions; vitals knows tensors of up to {}", value.name, value.dims.size(),
         kMaxRank);
  Shape shape;
  for (const auto d : value.dims) shape.push_back(static_cast<std::uint64_t>(d));
  return shape;
}

DType dtype_of(DataType type) {
  switch (type) {
    case DataType::float64:
    case DataType::complex64:
    case DataType::complex128:
      return DType::f64;
    case DataType::float16:
      return DType::f16;
    case DataType::bfloat16:
      return DType::bf16;
    case DataType::int64:
      return DType::i64;
    case DataType::int32:
      return DType::i32;
    case DataType::int16:
      return DType::i16;
    case DataType::int8:
    case DataType::int4:
    case DataType::float8e4m3fn:
    case DataType::float8e4m3fnuz:
    case DataType::float8e5m2:
    case DataType::float8e5m2fnuz:
    case DataType::float4e2m1:
      return DType::i8;
    case DataType::uint64:
      return DType::u64;
    case DataType::uint32:
      return DType::u32;
    case DataType::uint16:
      return DType::u16;
    case DataType::uint8:
    case DataType::uint4:
      return DType::u8;
    case DataType::boolean:
      return DType::boolean;
    case DataType::float32:
    case DataType::string:
    case DataType::undefined:
      break;
  }
  return DType::f32;
}

Tensors emit(Builder& builder, const Model& model, Program& program) {
  return Emitter(builder, model, program).run();
}

}  // namespace vitals::onnx
