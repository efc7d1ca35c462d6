// Small models of every image architecture, run by the kernels and by the reference in fp64.
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "runtime/forward.h"
#include "runtime/kernel_case.h"
#include "runtime/measure/measure.h"
#include "runtime/program/params.h"
#include "runtime/reference_run.h"
#include "support/json.h"
#include "support/refusal.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <new>

using namespace vitals;

namespace {

const char* const kSpecs[] = {
    R"({"base": "vit_tiny_patch16_224", "img_size": 48, "depth": 2})",
    R"({"base": "eva02_tiny_patch14_224", "img_size": 56, "depth": 2})",
    R"({"base": "vit_base_patch16_rope_224", "img_size": 48, "embed_dim": 48, "num_heads": 4,
        "depth": 2})",
    R"({"base": "vit_base_patch16_rope_mixed_224", "img_size": 48, "embed_dim": 48,
        "num_heads": 4, "depth": 2})",
    R"({"base": "vit_small_patch16_dinov3", "img_size": 64, "embed_dim": 48, "num_heads": 4,
        "depth": 2})",
    R"({"base": "beit_base_patch16_224", "img_size": 48, "embed_dim": 48, "num_heads": 4,
        "depth": 2})",
    R"({"base": "vit_relpos_base_patch16_224", "img_size": 48, "embed_dim": 48, "num_heads": 4,
        "depth": 2})",
    R"({"base": "vit_srelpos_small_patch16_224", "img_size": 48, "embed_dim": 48, "num_heads": 4,
        "depth": 2})",
    R"({"base": "swin_tiny_patch4_window7_224", "img_size": 112, "embed_dim": 24,
        "depths": [2, 2], "num_heads": [2, 4]})",
    R"({"base": "mixer_s16_224", "img_size": 48, "embed_dim": 32, "num_blocks": 2})",
    R"({"base": "resmlp_12_224", "img_size": 48, "embed_dim": 32, "num_blocks": 2})",
    R"({"base": "gmlp_s16_224", "img_size": 48, "embed_dim": 32, "num_blocks": 2})",
    R"({"base": "convnext_tiny", "img_size": 64, "dims": [8, 16, 24, 32], "depths": [1, 1, 2, 1]})",
    R"({"base": "convnextv2_tiny", "img_size": 64, "dims": [8, 16, 24, 32],
        "depths": [1, 1, 2, 1]})",
};

}  // namespace

TEST_CASE("models of every image architecture compute what the reference does") {
  for (const char* text : kSpecs) {
    CAPTURE(text);
    const auto model = model_from_spec(test::parsed(text), "spec", "small");
    const auto graph = model.build({.batch = 2, .attention = AttentionKernel::fused});
    const auto params = random_params(graph, 5);
    Random random(11);
    std::vector<float> image(numel(graph.nodes[graph.inputs[0]].shape).value());
    for (auto& v : image) v = static_cast<float>(random.integer(-1000, 1000)) / 1000;
    const test::ReferenceRun reference(graph, params, {{image.begin(), image.end()}});
    const auto& expected = reference.value(graph.outputs[0]);
    double scale = 0;
    for (double v : expected) scale = std::max(scale, std::abs(v));
    Engine engine({.threads = 2});
    const auto found = forward(graph, engine, params, image, {}).back().values;
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      CHECK(std::abs(static_cast<double>(found[i]) - expected[i]) <= 2e-5 * scale);
  }
}

TEST_CASE("what cannot be run is said before it runs, and what came out wrong after it") {
  const auto says = [](const std::function<void()>& act, const std::string& words) {
    const auto message = test::refusal<std::runtime_error>(act);
    CAPTURE(message);
    CHECK(test::says(message, words));
  };
  Engine engine({.threads = 1});
  const auto gpt2 = builtin_model("gpt2", "").build();
  says([&] { (void)forward(gpt2, engine, random_params(gpt2, 1), {}, {}); },
       "gpt2: vitals runs models whose only input is an image");
  const auto spec = test::parsed(kSpecs[0]);
  const auto graph = model_from_spec(spec, "spec", "small").build();
  const auto endless = [](ParamId, std::span<float> values) {
    std::fill(values.begin(), values.end(), std::numeric_limits<float>::infinity());
  };
  Executor executor(graph, engine, endless, {});
  (void)test::fill_inputs(executor);
  Executor* const subjects[] = {&executor};
  says([&] { (void)measure(subjects, {}); }, "weights or input are out of range");
  // Another image between two runs looks like kernels that do not repeat what they did.
  Executor shaken(graph, engine, random_params(graph, 1), {});
  (void)test::fill_inputs(shaken);
  Executor* const shaken_subjects[] = {&shaken};
  const auto shake = [&](double) { shaken.input()[0] += 1; };
  says([&] { (void)measure(shaken_subjects, {.runs = 3, .progress = shake}); },
       "run 2 gave another output than the first one; this is a fault of vitals");
  // What was free when it was asked for can be taken by others a moment later.
  const auto taken = [](ParamId, std::span<float>) { throw std::bad_alloc(); };
  says([&] { const Executor none(graph, engine, taken, {}); },
       "bytes of activations and the weights do not fit");
  for (const auto& set : instruction_sets())
    if (!has_isa(set.isa))
      says([&] { const Engine wider({.threads = 1, .isa = set.isa}); },
           fmt::format("this CPU has no {} instructions", set.name));
}
