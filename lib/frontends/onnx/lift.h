// Chains of small ops that exporters write for one function, as that function: GELU by erf, SiLU by
// sigmoid. The patterns are data. Must not know the trace's modules.
#pragma once

#include "frontends/onnx/value.h"
#include "graph/op.h"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace vitals::onnx {

struct Lifted {
  std::string_view pattern;  // "gelu by erf"
  op::Unary op;
  ValueId input = 0;
  ValueId output = 0;
  std::size_t steps = 0;
};

// What the steps from `first` on are together; nothing where no pattern fits. `last_use` is, for
// each value, the index behind the last step that reads it: what a chain makes on its way must be
// read by it alone.
[[nodiscard]] std::optional<Lifted> lift_at(const Program& program, std::size_t first,
                                            const std::vector<std::size_t>& last_use);

}  // namespace vitals::onnx
