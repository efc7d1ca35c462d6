#include "memory/simulator/update.h"

namespace vitals::eager {
namespace {

class Update {
 public:
  Update(const StepOptions& options, Memory& memory) : options_(options), memory_(memory) {}

  void one(Count bytes) {
    StoragePtr gradient;
    const auto& precision = options_.precision;
    if (precision.master_weights && precision.main_gradients == MainGradients::none)
      gradient = temporary(bytes);  // in the master weights' type
    if (options_.optimizer_impl == OptimizerImpl::fused) return;
    switch (options_.optimizer.temporaries) {
      case StepTemporaries::none:
        return;
      case StepTemporaries::adam:
        return adam(bytes);
      case StepTemporaries::two: {
        const auto first = temporary(bytes);
        const auto second = temporary(bytes);
        return;
      }
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

  const StepOptions& options_;
  Memory& memory_;
  StoragePtr denominator_;
};

}  // namespace

void run_update(const Graph& graph, const StepOptions& options, const std::vector<ParamId>& updated,
                Memory& memory) {
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
  const bool at_once = options.optimizer_impl == OptimizerImpl::foreach &&
                       options.optimizer.temporaries == StepTemporaries::adam;
  std::vector<StoragePtr> roots;
  for (const auto id : updated) {
    const auto& param = graph.params[id];
    const auto parts = pieces(graph, id, options, 1);
    memory.at({param.module, options.optimizer.name, id});
    const auto bytes = part(numel(param) * size_of(state_dtype(graph, id, options)), parts);
    if (at_once)
      roots.push_back(memory.allocate(bytes, Kind::workspace));
    else
      update.one(bytes);
    memory.mark();
  }
}

}  // namespace vitals::eager
