// Who computes dense layers, and on whose threads everything runs. A backend is one file that
// implements the two classes here, and a line in backend.cpp: whoever offers, opens, names or tests
// backends goes through the list. Must not know any one of them.
#pragma once

#include "runtime/kernels/element.h"
#include "runtime/thread_pool.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

class Engine;
class WeightStore;
struct LinearShape;
struct LinearOptions;
struct LinearWeights;
struct LinearOperands;

// One dense layer with its weights packed; linear.h says what it computes.
class LinearLayer {
 public:
  virtual ~LinearLayer() = default;
  virtual void run(Engine& engine, const LinearOperands& operands) = 0;
};

// A backend in use.
class OpenBackend {
 public:
  virtual ~OpenBackend() = default;

  // One line for people about it and `own`, our kernels for everything but dense layers: "oneDNN
  // 2.6.3, own avx512 kernels".
  [[nodiscard]] virtual std::string description(const std::string& own) const = 0;

  // Throws std::bad_alloc, and std::runtime_error with a plain reason when it refuses the layer.
  [[nodiscard]] virtual std::unique_ptr<LinearLayer> linear(Engine& engine, WeightStore& store,
                                                            const LinearShape& shape,
                                                            const LinearOptions& options,
                                                            const LinearWeights& weights) const = 0;
};

struct Backend {
  std::string_view name;  // as people ask for it: "onednn"
  std::string_view doc;   // "oneDNN, where it is installed"
  PoolKind pool = PoolKind::kOwn;
  // Throws std::runtime_error with a plain reason when it is not there.
  std::unique_ptr<OpenBackend> (*open)() = nullptr;
};

// All of them; the first is our own and always there.
[[nodiscard]] const std::vector<Backend>& backends();

// Whether it can be opened here.
[[nodiscard]] bool available(const Backend& backend);

// The fastest backend on this machine for this precision; one that can compute in it.
[[nodiscard]] const Backend& fastest_backend(Element precision);

}  // namespace vitals
