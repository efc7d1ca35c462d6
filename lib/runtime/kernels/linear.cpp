#include "runtime/kernels/linear.h"

#include "runtime/kernels/linear_native.h"
#include "runtime/kernels/linear_onednn.h"

namespace vitals {

Linear::Linear(Engine& engine, WeightStore& store, const LinearShape& shape,
               const LinearOptions& options, const LinearWeights& weights) {
  if (engine.backend() == Backend::kOnednn) {
    layer_ = std::make_unique<OnednnLinear>(engine, store, shape, options, weights);
  } else {
    layer_ = std::make_unique<NativeLinear>(engine, store, shape, options, weights);
  }
}

Linear::~Linear() = default;
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;

void Linear::run(Engine& engine, const LinearOperands& operands) {
  std::visit([&](auto& layer) { layer->run(engine, operands); }, layer_);
}

}  // namespace vitals
