// llama.cpp's own log lines ("CUDA0 compute buffer size", "KV buffer size", "model buffer size") as
// people have published them, beside what the trace and the stored sizes give.
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "memory/llama_cpp/estimate.h"
#include "memory/quantized/quantization.h"
#include "support/json.h"
#include "support/refusal.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

double mib(Count bytes) { return bytes.as_double() / (1 << 20); }

// The weights as llama.cpp's quantiser mixes them.
StoredWeights stored_as(const Model& model, const char* mix) {
  BuildOptions small;
  small.seq_len = 1;
  const auto graph = model.build(small);
  const auto weights = quantized_weights(graph, mix);
  StoredWeights stored;
  for (ParamId id = 0; id < graph.params.size(); ++id) {
    const auto& param = graph.params[id];
    StoredParam::Part part{path_of(graph, param), std::string(weights[id].format), numel(param),
                           weights[id].bytes};
    stored.by_path[path_of(graph, param)].parts.push_back(part);
  }
  return stored;
}

llama::BuildTokens builder(const Model& model) {
  return [&model](std::uint64_t tokens) {
    BuildOptions options;
    options.seq_len = tokens;
    options.attention = AttentionKernel::fused;
    return model.build(options);
  };
}

struct Line {
  const char* model;
  const char* mix;
  std::uint64_t context;
  bool flash;
  double compute;  // MiB, CUDA0
  double kv;       // MiB
};

}  // namespace

TEST_CASE("compute buffers and caches are those of llama.cpp's log") {
  // Logs of issues and pull requests of ggml-org/llama.cpp and ollama/ollama, all layers on one
  // GPU.
  constexpr Line kLines[] = {
      {"llama-3-8b", "Q4_K_M", 512, false, 258.50, 64.00},
      {"llama-3-8b", "Q4_K_M", 8192, false, 560.00, 1024.00},
      {"llama-3-8b", "Q4_K_M", 8192, true, 258.50, 1024.00},
      {"llama-2-7b", "Q4_0", 4096, false, 296.00, 2048.00},
      {"mistral-7b-v0.3", "Q4_K_M", 32768, false, 2144.00, 4096.00},
      {"qwen2.5-7b", "Q4_K_M", 8192, true, 304.00, 448.00},
      {"qwen2.5-0.5b", "Q8_0", 8192, true, 298.50, 96.00},
      {"qwen3-8b", "Q4_K_M", 4096, true, 304.75, 576.00},
  };
  for (const auto& line : kLines) {
    CAPTURE(line.model);
    CAPTURE(line.context);
    const auto model = builtin_model(line.model, "test");
    llama::Options options;
    options.context = line.context;
    options.flash_attention = line.flash;
    const auto e = llama::estimate(builder(model), stored_as(model, line.mix), options);
    CHECK(mib(e.gpu.compute) == doctest::Approx(line.compute).epsilon(1e-4));
    CHECK(mib(e.gpu.kv_cache) == doctest::Approx(line.kv).epsilon(1e-6));
  }
}

TEST_CASE("what stays on the CPU: the token table, inputs, logits, and layers that do not fit") {
  const auto model = builtin_model("llama-3-8b", "test");
  const auto stored = stored_as(model, "Q4_K_M");
  const auto build = builder(model);
  llama::Options options;
  options.context = 8192;
  options.flash_attention = false;
  auto e = llama::estimate(build, stored, options);
  // "CPU buffer size = 281.81 MiB", "CUDA0 buffer size = 4403.49 MiB", "CUDA_Host compute buffer
  // size = 24.01 MiB", "CUDA_Host output buffer size = 0.49 MiB", "offloaded 33/33 layers to GPU"
  CHECK(mib(e.cpu.weights) == doctest::Approx(281.81).epsilon(1e-5));
  CHECK(mib(e.gpu.weights) == doctest::Approx(4403.49).epsilon(1e-5));
  CHECK(mib(e.cpu.compute) == doctest::Approx(24.01).epsilon(1e-3));
  CHECK(mib(e.cpu.output) == doctest::Approx(0.49).epsilon(1e-2));
  options.sequences = 4;  // "output buffer size = 2.02 MiB" has the embeddings of 4 x 4096 beside
  CHECK(mib(llama::estimate(build, stored, options).cpu.output) ==
        doctest::Approx(2.02 - 0.0625).epsilon(1e-2));
  options.sequences = 1;

  // The last layers are the first to go to the GPU; the output counts as a layer.
  options.gpu_layers = 9;
  e = llama::estimate(build, stored, options);
  CHECK(e.output_on_gpu);
  CHECK_FALSE(e.layers[23].on_gpu);
  CHECK(e.layers[24].on_gpu);
  CHECK(e.gpu.kv_cache == Count(8 * 2 * 8192) * 1024 * 2);
  CHECK(e.cpu.kv_cache + e.gpu.kv_cache == Count(std::uint64_t{1024} << 20));
  CHECK(e.cpu.weights + e.gpu.weights == stored.bytes());

  // Experts on the CPU, as with -ot "exps=CPU": every other tensor stays.
  const auto moe = builtin_model("qwen3-30b-a3b", "test");
  const auto experts = stored_as(moe, "Q4_K_M");
  llama::Options cpu_moe;
  const auto all = llama::estimate(builder(moe), experts, cpu_moe);
  cpu_moe.overrides = {{"experts\\.", false}};
  const auto kept = llama::estimate(builder(moe), experts, cpu_moe);
  Count moved;
  for (const auto& [path, param] : experts.by_path)
    if (path.find("experts.") != std::string::npos) moved += param.bytes();
  CHECK(all.gpu.weights == kept.gpu.weights + moved);
  CHECK(kept.cpu.weights == all.cpu.weights + moved);

  // A prompt's products run on the GPU all the same, with a copy of the weight beside them: "--ngl
  // 0" of Qwen2.5-3B Q4_K_M, whose table of 243.43 MiB is the head: "CUDA0 compute buffer size =
  // 548.18 MiB". llama.cpp has one more copy of the 4 MiB that cross between the two.
  const auto qwen = builtin_model("qwen2.5-3b", "test");
  llama::Options none;
  none.gpu_layers = 0;
  const auto on_cpu = llama::estimate(builder(qwen), stored_as(qwen, "Q4_K_M"), none);
  CHECK(on_cpu.gpu.weights == Count(0));
  CHECK(mib(on_cpu.gpu.compute) == doctest::Approx(548.18).epsilon(0.01));
}

TEST_CASE("caches by type and window") {
  const auto model = builtin_model("gemma-2-9b", "test");
  const auto stored = stored_as(model, "Q8_0");
  llama::Options options;
  options.context = 8192;
  options.flash_attention = false;
  auto e = llama::estimate(builder(model), stored, options);
  // "SYCL0 compute buffer size = 507.00 MiB", "SYCL_Host compute buffer size = 39.01 MiB" less the
  // cells that layers with a window have not had since their cache is one of its own
  CHECK(mib(e.gpu.compute) == doctest::Approx(507.00).epsilon(1e-4));
  // 21 layers of 8192 cells, 21 of 4096 + 512
  CHECK(e.gpu.kv_cache == Count(21) * (8192 + 4608) * 4096 * 2);
  CHECK(e.tied);  // the table is the output as well, and held twice
  options.flash_attention = true;
  for (const auto& [type, bytes] : std::vector<std::pair<std::string, double>>{
           {"q8_0", 34.0 / 32}, {"q4_0", 18.0 / 32}, {"f32", 4}}) {
    options.kv_dtype = type;
    const auto quantised = llama::estimate(builder(model), stored, options);
    CHECK(quantised.gpu.kv_cache.as_double() == e.gpu.kv_cache.as_double() / 2 * bytes);
  }
  options.kv_dtype = "q8_0";
  options.flash_attention = false;
  CHECK(test::refusal([&] {
          return llama::estimate(builder(model), stored, options);
        }).find("flash attention") != std::string::npos);
  options.kv_dtype = "q9";
  CHECK(test::refusal([&] {
          return llama::estimate(builder(model), stored, options);
        }).find("no type 'q9'") != std::string::npos);
}

TEST_CASE("the largest context and the most layers are the last that fit") {
  const auto model = builtin_model("llama-3-8b", "test");
  const auto stored = stored_as(model, "Q4_K_M");
  const auto build = builder(model);
  const Count budget = std::uint64_t{8} << 30;
  llama::Options options;
  const auto context = llama::largest_context(build, stored, options, budget, 131072);
  REQUIRE(context.has_value());
  options.context = *context;
  CHECK(llama::estimate(build, stored, options).gpu.total() <= budget);
  options.context = *context + 256;
  CHECK(llama::estimate(build, stored, options).gpu.total() > budget);
  const auto layers = llama::most_layers(build, stored, options, budget);
  REQUIRE(layers.has_value());
  CHECK(*layers < 33);
  CHECK_FALSE(llama::largest_context(build, stored, options, 1U << 20, 131072).has_value());
  CHECK_FALSE(llama::most_layers(build, stored, options, 1U << 20).has_value());
}
