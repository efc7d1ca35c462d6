// The dense layer y = epilogue(x W^T + b) with weights packed once, on whichever backend the engine
// has. Weights come and go as raw pointers; must not know of graphs, names or files.
#pragma once

#include "runtime/kernels/engine.h"

#include <cstdint>
#include <memory>

namespace vitals {

struct LinearShape {
  std::int64_t rows = 0;          // of x and y, as it will be run (oneDNN plans for it)
  std::int64_t in_features = 0;   // columns of x
  std::int64_t out_features = 0;  // columns of y
};

// y = residual + gamma * (multiplier * act(x W^T + bias)), every part optional.
struct LinearOptions {
  Element weights = Element::kF32;  // how W is kept and multiplied; sums are fp32 always
  Element x = Element::kF32;
  Element y = Element::kF32;
  Activation activation = Activation::kIdentity;
  bool multiplier = false;  // run() gets one (gated MLPs)
  bool residual = false;    // run() gets one
};

// fp32; element (n, k) of W at n * n_stride + k * k_stride. The default is PyTorch's [out, in];
// {1, out_features} reads a [in, out] matrix (GPT-2). The three are copied: free them afterwards.
struct LinearWeights {
  const float* weight = nullptr;
  std::int64_t n_stride = 0;  // 0: in_features
  std::int64_t k_stride = 1;
  const float* bias = nullptr;   // [out_features] or null
  const float* gamma = nullptr;  // LayerScale [out_features] or null
};

// Plain rows (inner is 1) of the element types in LinearOptions. The residual and the multiplier
// may be of either type and may be y itself; x must not overlap y.
struct LinearOperands {
  std::int64_t rows = 0;
  ConstRows x;
  Rows y;
  ConstRows multiplier;
  ConstRows residual;
};

class Linear {
 public:
  // Packs into the store, which must outlive this. Throws std::bad_alloc, and std::runtime_error
  // when the backend refuses the layer.
  Linear(Engine& engine, WeightStore& store, const LinearShape& shape, const LinearOptions& options,
         const LinearWeights& weights)
      : layer_(engine.open_backend().linear(engine, store, shape, options, weights)) {}

  // Any number of rows; oneDNN plans again when it differs from the last.
  void run(Engine& engine, const LinearOperands& operands) { layer_->run(engine, operands); }

 private:
  std::unique_ptr<LinearLayer> layer_;
};

}  // namespace vitals
