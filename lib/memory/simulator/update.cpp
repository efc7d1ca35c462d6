#include "memory/simulator/update.h"

#include <algorithm>

namespace vitals::eager {
namespace {

class Update {
 public:
  Update(const StepOptions& options, Memory& memory) : options_(options), memory_(memory) {}

  void one(const Optimizer& rule, Count bytes, const Shape& shape) {
    StoragePtr gradient;
    const auto& precision = options_.precision;
    if (precision.master_weights && precision.main_gradients == MainGradients::none)
      gradient = temporary(bytes);  // in the master weights' type
    if (options_.optimizer_impl == OptimizerImpl::fused) return;
    switch (rule.temporaries) {
      case StepTemporaries::none:
        return;
      case StepTemporaries::adam:
        return adam(bytes);
      case StepTemporaries::two: {
        const auto first = temporary(bytes);
        const auto second = temporary(bytes);
        return;
      }
      case StepTemporaries::muon:
        return muon(bytes, shape);
    }
  }

 private:
  StoragePtr temporary(Count bytes) { return memory_.allocate(bytes, Kind::workspace); }

  // On the CPU a Python number takes a double, and its value in the compute type for the call.
  StoragePtr number(DType type) {
    return options_.settings.device == Device::cpu ? temporary(size_of(type)) : nullptr;
  }

  // exp_avg_sq.sqrt() / sqrt(bias_correction2) + eps: the name `denom` keeps its tensor until the
  // next parameter's is there.
  void adam(Count bytes) {
    const auto root = temporary(bytes);
    const auto correction = number(DType::f64);
    const auto converted = number(DType::f32);
    denominator_ = temporary(bytes);
  }

  // torch/optim/_muon.py, _zeropower_via_newtonschulz: of an m x n matrix with m <= n two bf16
  // copies and two bf16 products of m x m, beside the update in the state's type.
  void muon(Count bytes, const Shape& shape) {
    const auto least = std::min(shape[0], shape[1]);
    const auto update = temporary(bytes);
    const auto old = temporary(numel(shape) * size_of(DType::bf16));
    const auto gram = temporary(Count(least) * least * size_of(DType::bf16));
    const auto polynomial = temporary(Count(least) * least * size_of(DType::bf16));
    const auto next = temporary(numel(shape) * size_of(DType::bf16));
  }

  const StepOptions& options_;
  Memory& memory_;
  StoragePtr denominator_;
};

}  // namespace

void run_update(const Graph& graph, const StepOptions& options, const std::vector<ParamId>& updated,
                Memory& memory) {
  if (options.offload.steps_on_host()) return;
  std::vector<StoragePtr> main_gradients;
  if (options.precision.main_gradients == MainGradients::at_step)
    for (const auto id : updated) {
      const auto parts = options.tensor.split(id) * options.zero.parts(2);
      main_gradients.push_back(memory.allocate(
          part(numel(graph.params[id]) * size_of(DType::f32), parts), Kind::weight_gradient));
    }
  Update update(options, memory);
  // torch/optim/adamw.py, _multi_tensor_adamw: _foreach_sqrt(exp_avg_sqs) is a list of new tensors;
  // all that follows works in place.
  const auto at_once = [&](const Optimizer& rule) {
    return options.optimizer_impl == OptimizerImpl::foreach &&
           rule.temporaries == StepTemporaries::adam;
  };
  std::vector<StoragePtr> roots;
  for (const auto id : updated) {
    const auto& param = graph.params[id];
    const auto parts = pieces(graph, id, options, 1);
    memory.at({param.module, options.optimizer.name, id});
    const auto bytes = part(numel(param) * size_of(state_dtype(graph, id, options)), parts);
    const auto& rule = optimizer_for(options.optimizer, param);
    if (at_once(rule))
      roots.push_back(memory.allocate(bytes, Kind::workspace));
    else
      update.one(rule, bytes, param.shape);
    memory.mark();
  }
}

}  // namespace vitals::eager
