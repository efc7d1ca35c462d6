// The steps of a program as kernels: what they compute is what the trace computes, what they move
// is what the steps move.
#include "runtime/program/step_kernels.h"

#include "cost/macs.h"
#include "cost/rollup.h"
#include "frontends/spec/builtin.h"
#include "runtime/program/lower.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

Graph built(const char* name, std::uint64_t batch) {
  BuildOptions options;
  options.batch = batch;
  options.attention = AttentionKernel::fused;
  return builtin_model(name, "").build(options);
}

}  // namespace

TEST_CASE("the kernels of a program compute the trace's FLOPs and move the steps' bytes") {
  for (const char* name :
       {"vit_tiny_patch16_224", "mixer_s16_224", "eva02_tiny_patch14_224",
        "swin_tiny_patch4_window7_224", "convnext_tiny", "beit_base_patch16_224"}) {
    CAPTURE(name);
    const auto graph = built(name, 2);
    const auto program = lower(graph, {Element::kF32, {}});
    const auto kernels = step_kernels(graph, program, Element::kF32);
    REQUIRE(kernels.size() == program.steps.size());
    double flops = 0;
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      flops += kernels[i].flops;
      CHECK(kernels[i].bytes ==
            bytes_of(graph, program, program.steps[i], Element::kF32).as_double());
      CHECK(kernels[i].weight_bytes <= kernels[i].bytes);
    }
    CHECK(flops == doctest::Approx(2 * macs_by_module(graph).sum().as_double()));
  }
}

TEST_CASE("a ViT block is four products, attention and two norms; its weights are read once") {
  const auto graph = built("vit_tiny_patch16_224", 8);
  int products = 0;
  int others = 0;
  double weights = 0;
  for (const auto& kernel : step_kernels(graph, Element::kF32)) {
    if (graph.modules[kernel.module].path.rfind("blocks.3", 0) != 0) continue;
    const bool product = kernel.kind == latency::KernelKind::product;
    (product ? products : others) += 1;
    weights += kernel.weight_bytes;
    if (!product) continue;
    CHECK(kernel.m == 8 * 197);
    CHECK(kernel.flops == 2 * kernel.m * kernel.n * kernel.k);
  }
  CHECK(products == 4);
  CHECK(others == 3);
  // qkv, proj, fc1 and fc2 with their biases, 4 bytes each.
  CHECK(weights == 4 * (12 * 192 * 192 + 3 * 192 + 192 + 4 * 192 + 192));
}
