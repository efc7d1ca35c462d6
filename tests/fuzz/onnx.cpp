// ONNX files: any bytes, read and run through without data.
#include "frontends/onnx/emit.h"
#include "frontends/onnx/expand.h"
#include "frontends/onnx/read.h"
#include "fuzz/fuzz.h"

using namespace vitals;

void fuzz::target::onnx(std::string_view text) {
  fuzz::accept_or_refuse([&] {
    const auto model = vitals::onnx::read_model(text, "fuzz");
    vitals::onnx::Sizes sizes;
    sizes.tokens = 3;
    sizes.height = 32;
    sizes.width = 32;
    auto program = vitals::onnx::expand(model, sizes);
    for (const auto& step : program.steps)
      for (const auto id : step.outputs)
        fuzz::require(id == vitals::onnx::kAbsent || id < program.values.size(),
                      "a step writes values of its program");
    Builder builder("fuzz", {});
    const auto outputs = vitals::onnx::emit(builder, model, program);
    (void)builder.finish(outputs);
  });
}
