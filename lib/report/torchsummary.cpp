#include "report/torchsummary.h"

#include "cost/rollup.h"
#include "report/text/units.h"

#include <fmt/format.h>

#include <cmath>

namespace vitals {
namespace {

bool seen_by_torchsummary(const Param& param) {
  return !param.buffer && (param.name == "weight" || param.name == "bias");
}

// torchsummary writes the batch size over the first dimension, whatever that is.
std::string shape_text(const Shape& shape, long long batch) {
  std::string text = fmt::format("[{}", batch);
  for (std::size_t i = 1; i < shape.rank(); ++i) text += fmt::format(", {}", shape[i]);
  return text + "]";
}

double product(const Shape& shape, long long batch) {
  auto n = static_cast<double>(batch);
  for (std::size_t i = 1; i < shape.rank(); ++i) n *= static_cast<double>(shape[i]);
  return n;
}

double megabytes(double numbers) { return std::abs(numbers * 4.0 / (1024.0 * 1024.0)); }

}  // namespace

TorchSummary torch_summary(const Graph& graph, std::optional<std::uint64_t> batch) {
  const auto label = batch ? static_cast<long long>(*batch) : -1LL;
  TorchSummary s;
  double output = 0;
  for (auto id : graph.completion) {
    const auto& call = graph.calls[id];
    const auto& module = graph.modules[call.module];
    if (call.module == 0 || module.torch == TorchClass::sequential ||
        module.torch == TorchClass::module_list)
      continue;
    TorchSummary::Row row;
    row.name = fmt::format("{}-{}", module.type, s.rows.size() + 1);
    double numbers = 1;
    std::vector<std::string> shapes;
    for (auto out : call.outputs) {
      shapes.push_back(shape_text(graph.nodes[out].shape, label));
      numbers *= product(graph.nodes[out].shape, label);
    }
    row.shape = shapes.size() == 1 ? shapes[0] : fmt::format("[{}]", fmt::join(shapes, ", "));
    for (auto p : module.params) {
      const auto& param = graph.params[p];
      if (!seen_by_torchsummary(param)) continue;
      row.params += numel(param);
      if (param.trainable) s.trainable_params += numel(param);
    }
    s.total_params += row.params;
    output += numbers;
    s.rows.push_back(std::move(row));
  }
  double input = 0;
  for (auto id : graph.inputs) input += product(graph.nodes[id].shape, label);
  s.input_mb = megabytes(input);
  s.forward_backward_mb = megabytes(2.0 * output);
  s.params_mb = megabytes(s.total_params.as_double());
  s.total_mb = s.input_mb + s.forward_backward_mb + s.params_mb;
  return s;
}

std::string to_text(const TorchSummary& s) {
  const std::string thin(64, '-');
  const std::string thick(64, '=');
  auto row = [](std::string_view a, std::string_view b, std::string_view c) {
    return fmt::format("{:>20}  {:>25} {:>15}\n", a, b, c);
  };
  std::string text = thin + "\n" + row("Layer (type)", "Output Shape", "Param #") + thick + "\n";
  for (const auto& r : s.rows) text += row(r.name, r.shape, grouped(r.params));
  text += thick + "\n";
  text += fmt::format("Total params: {}\n", grouped(s.total_params));
  text += fmt::format("Trainable params: {}\n", grouped(s.trainable_params));
  text += fmt::format("Non-trainable params: {}\n", grouped(s.total_params - s.trainable_params));
  text += thin + "\n";
  text += fmt::format("Input size (MB): {:.2f}\n", s.input_mb);
  text += fmt::format("Forward/backward pass size (MB): {:.2f}\n", s.forward_backward_mb);
  text += fmt::format("Params size (MB): {:.2f}\n", s.params_mb);
  text += fmt::format("Estimated Total Size (MB): {:.2f}\n", s.total_mb);
  return text + thin + "\n";
}

std::string left_out_by_torchsummary(const Graph& graph) {
  Count all;
  Count missed;
  std::vector<std::pair<std::string, Count>> kinds;  // by name: every gamma in one sum
  for (const auto& param : graph.params) {
    if (param.buffer) continue;
    all += numel(param);
    if (seen_by_torchsummary(param)) continue;
    missed += numel(param);
    auto it = kinds.begin();
    while (it != kinds.end() && it->first != param.name) ++it;
    if (it == kinds.end()) it = kinds.insert(it, {param.name, Count()});
    it->second += numel(param);
  }
  if (missed == Count(0))
    return fmt::format(
        "vitals: torchsummary sees all {} parameters of this model; --style tree folds equal "
        "layers.\n",
        grouped(all));
  std::vector<std::string> parts;
  for (const auto& [name, count] : kinds) parts.push_back(name + " " + grouped(count));
  return fmt::format(
      "vitals: torchsummary leaves out {} parameters ({}); the true total is {}; --style tree "
      "folds "
      "equal layers.\n",
      grouped(missed), fmt::join(parts, ", "), grouped(all));
}

}  // namespace vitals
