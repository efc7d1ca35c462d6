// Steps of an ONNX model as ops of the trace. Must not know files.
#pragma once

#include "frontends/onnx/expand.h"
#include "graph/builder.h"

namespace vitals::onnx {

// Runs the program's steps on the builder, under the modules that they come from, and returns what
// the model returns. An op that the trace has as its own becomes that; all others become
// op::Opaque with the shape and the multiply-accumulates of their rule.
[[nodiscard]] Tensors emit(Builder& builder, const Model& model, Program& program);

}  // namespace vitals::onnx
