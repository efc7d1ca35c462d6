// Which ops of ONNX the trace has as its own, and how they are written there. Private to emission.
#pragma once

#include "frontends/onnx/rules.h"
#include "graph/builder.h"

#include <string_view>

namespace vitals::onnx {

// What a rule may ask of the emission.
class StepWriter {
 public:
  virtual ~StepWriter() = default;
  [[nodiscard]] virtual Builder& builder() = 0;
  [[nodiscard]] virtual const Value& info(ValueId id) const = 0;
  // The step as a shape rule sees it: attributes, dimensions, known numbers.
  [[nodiscard]] virtual OpContext context(const Step& step) = 0;
  // As a tensor of the trace: data, a parameter as a value, or a constant.
  [[nodiscard]] virtual vitals::Tensor value(ValueId id) = 0;
  [[nodiscard]] virtual bool is_parameter(ValueId id) const = 0;
  // The parameter that an initializer is, made at its first use.
  [[nodiscard]] virtual ParamId parameter(ValueId id, bool buffer) = 0;
};

// The step's outputs, those that are left out skipped; empty where the op does not fit after all.
// What it wrote by then is taken back, as it is where shape or work differ from ONNX's.
using OpRule = Tensors (*)(StepWriter&, const Step&);

// Null for ops that are written as op::Opaque.
[[nodiscard]] OpRule op_rule(std::string_view type);

// Throws Error for more dimensions than the trace has.
[[nodiscard]] Shape shape_of(const Value& value);
[[nodiscard]] DType dtype_of(DataType type);

}  // namespace vitals::onnx
