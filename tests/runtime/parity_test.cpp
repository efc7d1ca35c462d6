// Whole models against PyTorch's fp64, and weights as checkpoints store them.
#include "core/error.h"
#include "frontends/spec/load.h"
#include "runtime/forward.h"
#include "runtime/kernel_case.h"
#include "runtime/open_engine.h"
#include "runtime/program/weights.h"
#include "support/run.h"
#include "support/safetensors_writer.h"
#include "support/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>

using namespace vitals;

namespace {

const std::vector<std::string> kModels = {"tiny_distilled",
                                          "tiny_inc1_noqkvbias_mlp3",
                                          "timm_reg2_ls_swiglupacked_avg",
                                          "timm_qknorm_noembedcls_reg4",
                                          "convnext",
                                          "convnextv2_conv_mlp"};

std::string file_of(const std::string& name, const std::string& end) {
  return test::data_path("parity/" + name + end);
}

// A tensor of a file in fp32; its shape in `shape`, if that is asked for.
std::vector<float> stored(const Checkpoint& file, const std::string& name,
                          std::vector<std::uint64_t>* shape = nullptr) {
  const auto* tensor = file.find(name);
  REQUIRE(tensor != nullptr);
  if (shape != nullptr) *shape = tensor->shape;
  TensorReader reader(file);
  return read_values(reader, file, *tensor);
}

std::vector<NamedTensor> outputs_of(const std::string& name, const std::string& weights,
                                    Engine& engine, const ForwardOptions& options) {
  const auto reference = read_checkpoint(file_of(name, ".ref_f32.safetensors"));
  std::vector<std::uint64_t> shape;
  const auto input = stored(reference, "input", &shape);
  const auto model = load_model(file_of(name, ".json"));
  const auto graph = model.build({.batch = shape[0], .attention = AttentionKernel::fused});
  const auto checkpoint = read_checkpoint(weights);
  const auto result = fit(graph, checkpoint);
  REQUIRE(result.fits());
  return forward(graph, engine, stored_params(checkpoint, result), input, options);
}

double largest(const std::vector<float>& values) {
  double most = 0;
  for (float v : values) most = std::max(most, static_cast<double>(std::abs(v)));
  return most;
}

double deviation(const std::vector<float>& values) {
  double sum = 0;
  double squares = 0;
  for (float v : values) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / n - sum / n * sum / n);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  std::vector<float> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    difference[i] = a[i] - b[i];
  }
  return largest(difference);
}

// Every tensor of the reference but the input must be among the outputs, close to it.
void check_against(const Checkpoint& reference, const std::vector<NamedTensor>& outputs,
                   double tolerance) {
  for (const auto& tensor : reference.tensors) {
    if (tensor.name == "input") continue;
    CAPTURE(tensor.name);
    const auto it = std::find_if(outputs.begin(), outputs.end(),
                                 [&](const NamedTensor& t) { return t.name == tensor.name; });
    REQUIRE(it != outputs.end());
    CHECK(std::equal(it->shape.begin(), it->shape.end(), tensor.shape.begin(), tensor.shape.end()));
    const double most = tensor.name == "logits" ? tolerance / 2 : tolerance;
    CHECK(distance(it->values, stored(reference, tensor.name)) <= most);
  }
}

}  // namespace

TEST_CASE("fp32: logits within 1e-5 and modules within 2e-5 of PyTorch's fp64") {
  for_each_engine([](Engine& engine) {
    CAPTURE(engine.description());
    for (const auto& name : kModels) {
      CAPTURE(name);
      const auto weights = file_of(name, ".weights.safetensors");
      const auto all = outputs_of(name, weights, engine, {Element::kF32, true});
      check_against(read_checkpoint(file_of(name, ".ref_f64.safetensors")), all, 2e-5);
      // Many modules are there in fp32 only, itself up to 8.3e-6 off.
      check_against(read_checkpoint(file_of(name, ".ref_f32.safetensors")), all, 2e-5);
      // Without the wish to see every module, ops are fused and memory is shared.
      const auto logits = outputs_of(name, weights, engine, {Element::kF32, false});
      REQUIRE(logits.size() == 1);
      const auto reference = read_checkpoint(file_of(name, ".ref_f64.safetensors"));
      CHECK(distance(logits[0].values, stored(reference, "logits")) <= 1e-5);
    }
  });
}

TEST_CASE("bf16: logits within 3 % of their standard deviation") {
  for_each_engine(Element::kBf16, [](Engine& engine) {
    CAPTURE(engine.description());
    for (const auto& name : kModels) {
      CAPTURE(name);
      const auto reference =
          stored(read_checkpoint(file_of(name, ".ref_f64.safetensors")), "logits");
      const auto got =
          outputs_of(name, file_of(name, ".weights.safetensors"), engine, {Element::kBf16, false});
      double squares = 0;
      for (std::size_t i = 0; i < reference.size(); ++i)
        squares += std::pow(static_cast<double>(got[0].values[i] - reference[i]), 2);
      const double rms = std::sqrt(squares / static_cast<double>(reference.size()));
      CHECK(rms <= 0.03 * deviation(reference));
    }
  });
}
