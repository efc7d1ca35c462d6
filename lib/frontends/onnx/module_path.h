// Which module of the exported program a step belongs to, from node names, from PyTorch's metadata
// or from local functions. Must not know what an op means.
#pragma once

#include "frontends/onnx/value.h"

#include <string>
#include <vector>

namespace vitals::onnx {

// The modules around a step, outermost first.
struct ModulePath {
  struct Part {
    std::string name;  // "0" of "layer1.0"
    std::string type;  // its class, where the file states it
    friend bool operator==(const Part&, const Part&) = default;
  };
  std::vector<Part> parts;
};

// PyTorch 2's exporters write metadata (pkg.torch.onnx.name_scopes and class_hierarchy); older ones
// name nodes "/layer1/layer1.0/conv1/Conv", where a label that begins with the one before it and a
// dot extends it, and what comes last is the op. Functions that were exported modules are calls.
[[nodiscard]] ModulePath module_path(const Program& program, const Step& step);

}  // namespace vitals::onnx
