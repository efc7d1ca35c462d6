// What must hold for every model and recipe, whatever the figures are.
#include "cost/rules_of_thumb.h"
#include "frontends/spec/spec.h"
#include "graph/adapters.h"
#include "graph/blocks.h"
#include "memory/batch_search.h"
#include "memory/estimate.h"
#include "memory/explain_memory.h"
#include "support/json.h"
#include "support/published.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using namespace vitals;
using nlohmann::json;

namespace {

struct Ask {
  json spec;
  BuildOptions build;
  MemoryOptions options;
};

Ask ask(const json& fields = json::object()) {
  Ask a;
  a.spec = {{"architecture", "vit"}, {"img_size", 48}, {"patch_size", 8},
            {"embed_dim", 64},       {"depth", 4},     {"num_heads", 4},
            {"num_classes", 10}};
  a.spec.update(fields);
  a.build.batch = 4;
  a.build.training = true;
  a.options.precision = precision("fp32");
  a.options.optimizer = optimizer("adamw");
  a.options.composition = false;
  return a;
}

Graph graph_of(const Ask& a) { return model_from_spec(a.spec, "test", "test").build(a.build); }
MemoryEstimate estimate(const Ask& a) { return estimate_memory(graph_of(a), a.options); }

bool is(const json& fact, const char* family) {
  return fact["id"].get<std::string>().rfind(std::string(family) + "/", 0) == 0;
}

void check_fact(double ours, const json& fact) {
  const auto value = fact["value"].get<double>();
  const auto tolerance =
      fact.value("abs_tol", std::max(fact["rel_tol"].get<double>(), 1e-12) * std::abs(value));
  CHECK(std::abs(ours - value) <= tolerance);
}

// Every precision on every device with every attention, and every optimizer; with dropout and
// without.
template <class F>
void for_every_recipe(F&& check) {
  const auto run = [&](const json& fields, const Precision& p, const Optimizer& o,
                       eager::Device device, AttentionKernel kernel) {
    auto a = ask(fields);
    a.options.precision = p;
    a.options.optimizer = o;
    a.options.device = device;
    a.build.attention = kernel;
    INFO(p.name, " ", o.name, " device ", static_cast<int>(device), " attention ",
         static_cast<int>(kernel), " ", test::dumped(fields));
    check(a);
  };
  const auto plain = json::object();
  const json dropping = {{"drop_ratio", 0.1}, {"attn_drop_ratio", 0.1}};
  for (const auto& fields : {plain, dropping})
    for (const auto& p : precisions())
      for (const auto device : {eager::Device::cuda, eager::Device::cpu})
        for (const auto kernel : {AttentionKernel::eager, AttentionKernel::fused})
          run(fields, p, optimizer("adamw"), device, kernel);
  for (const auto& o : optimizers())
    run(plain, precision("mixed16"), o, eager::Device::cuda, AttentionKernel::eager);
}

}  // namespace

TEST_CASE("saved bytes sum up, and no moment is above the peak") {
  for_every_recipe([](const Ask& a) {
    const auto e = estimate(a);
    Count by_type;
    for (const auto& [type, bytes] : e.activations.by_type) by_type += bytes;
    CHECK(by_type == e.activations.saved);
    CHECK(e.activations.by_module.sum() == e.activations.saved);
    // The batch beside them, unless it is what was kept.
    const auto kept = e.activations.saved + e.activations.loss;
    CHECK(e.bytes.activations >= kept);
    CHECK(e.bytes.activations <= kept + e.activations.input + 8 * a.build.batch);
    Count highest;
    for (const auto& point : e.timeline) {
      CHECK(point.live <= point.high);
      CHECK(point.high <= e.peak.bytes);
      highest = std::max(highest, point.high);
    }
    CHECK(highest == e.peak.bytes);
    Count kinds;
    for (const auto bytes : e.peak.by_kind) kinds += bytes;
    CHECK(kinds == e.peak.bytes);
    CHECK(e.peak.bytes <= e.bytes.total());
  });
}

// After a step nothing is left but what was there before, the loss and the gradients.
TEST_CASE("a step leaves gradients behind, and nothing else") {
  auto a = ask();
  const auto e = estimate(a);
  const auto& last = e.phases.back();
  CHECK(last.end == last.start + e.bytes.gradients + 4);
  a.build.training = a.options.training = false;
  CHECK(estimate(a).phases.size() == 1);
}

TEST_CASE("the pieces at the highest moment are the highest moment") {
  for (const std::uint64_t stages : {1U, 2U}) {
    auto a = ask();
    a.options.composition = true;
    a.options.parallel.pipeline = stages;
    a.options.parallel.micro_batches = 4;
    const auto e = estimate(a);
    CHECK((e.in_flight > 1) == (stages > 1));
    Count pieces;
    for (const auto& piece : e.peak.pieces) pieces += piece.bytes;
    CHECK(pieces == e.peak.bytes);
  }
}

TEST_CASE("what is explained of the model is what is reported, for every optimizer") {
  const auto of = [](const Explanation& e, std::string_view name) {
    for (const auto& q : e.quantities)
      if (q.name == name) return q.value;
    return Count(0);
  };
  for (const auto& o : optimizers())
    for (const char* recipe : {"fp32", "mixed16"}) {
      auto a = ask();
      a.options.optimizer = o;
      a.options.precision = precision(recipe);
      CAPTURE(o.name);
      CAPTURE(recipe);
      const auto graph = graph_of(a);
      const auto e = estimate_memory(graph, a.options);
      const auto explained = explain_memory(graph, a.options, e, "");
      CHECK(of(explained, "weights") == e.bytes.weights);
      CHECK(of(explained, "gradients") == e.bytes.gradients);
      CHECK(of(explained, "optimizer") == e.bytes.optimizer);
      CHECK(of(explained, "activations") == e.activations.saved);
    }
}

TEST_CASE("stored weights are explained as they are stored") {
  auto a = ask();
  a.options.training = a.build.training = false;
  const auto graph = graph_of(a);
  for (const auto& param : graph.params) a.options.packed.stored.push_back(numel(param) / 2);
  const auto e = estimate_memory(graph, a.options);
  const auto explained = explain_memory(graph, a.options, e, "");
  CHECK(explained.quantities[0].value == e.bytes.weights);
}

TEST_CASE("running again never keeps more") {
  for_every_recipe([](Ask a) {
    const auto all = estimate(a).activations.saved;
    a.options.checkpoint = ActivationCheckpointing::selective;
    const auto selective = estimate(a).activations.saved;
    a.options.checkpoint = ActivationCheckpointing::block;
    const auto blocks = estimate(a).activations.saved;
    CHECK(selective <= all);
    CHECK(blocks < selective);
  });
}

// Chen et al. 2016: only a block's input is kept, 4 bytes of it in fp32.
TEST_CASE("block checkpointing keeps one input a block") {
  auto shallow = ask({{"depth", 3}});
  auto deep = ask({{"depth", 5}});
  shallow.options.checkpoint = deep.options.checkpoint = ActivationCheckpointing::block;
  const auto tokens = 37U;
  CHECK(estimate(deep).activations.saved - estimate(shallow).activations.saved ==
        Count(2 * 4 * 4 * tokens * 64));
}

TEST_CASE("what is kept grows with the batch, sample by sample") {
  for_every_recipe([](Ask a) {
    std::array<Count, 3> saved;
    for (std::uint64_t i = 0; i < 3; ++i) {
      a.build.batch = 3 + i;
      saved[i] = estimate(a).activations.saved;
    }
    CHECK(saved[2] - saved[1] == saved[1] - saved[0]);
  });
}

// Bytes a parameter as the papers count them; the 4-byte step of each tensor is AdamW's own.
TEST_CASE("recipes take the bytes a parameter that they are named after") {
  const struct {
    std::string precision;
    std::string optimizer;
    double bytes;
  } recipes[] = {{"fp32", "adamw", 16},    {"amp", "adamw", 16},     {"bf16", "adamw", 8},
                 {"fp16", "adamw", 8},     {"mixed16", "adamw", 16}, {"mixed18", "adamw", 18},
                 {"mixed20", "adamw", 20}, {"fp32", "sgd", 8},       {"fp32", "momentum", 12},
                 {"fp32", "lion", 12},     {"fp32", "adam", 16},     {"fp32", "none", 8}};
  for (const auto& recipe : recipes) {
    CAPTURE(recipe.precision);
    CAPTURE(recipe.optimizer);
    auto a = ask();
    a.options.precision = precision(recipe.precision);
    a.options.optimizer = optimizer(recipe.optimizer);
    const auto graph = graph_of(a);
    const auto b = estimate_memory(graph, a.options).bytes;
    const auto steps = a.options.optimizer.step_bytes * graph.params.size();
    CHECK((b.weights + b.gradients + b.optimizer - steps).as_double() ==
          recipe.bytes * parameters(graph).sum().as_double());
  }
}

TEST_CASE("small states: one byte a moment, rows and columns") {
  CHECK(state_bytes(optimizer("adamw8bit"), {1024, 1024}, DType::f32) ==
        Count(2 * (1024 * 1024 + 4 * 512)));
  CHECK(state_bytes(optimizer("adamw8bit"), {1024}, DType::f32) == Count(2 * 4 * 1024));
  CHECK(state_bytes(optimizer("adafactor"), {768, 3072}, DType::f32) == Count(4 * (768 + 3072)));
  CHECK(state_bytes(optimizer("adafactor"), {768}, DType::f32) == Count(4 * 768));
}

TEST_CASE("what is frozen has no gradient and no state") {
  auto a = ask();
  auto graph = graph_of(a);
  const auto all = estimate_memory(graph, a.options);
  freeze(graph, {"blocks", "patch_embed", "pos_embed", "cls_token"});
  const auto head = estimate_memory(graph, a.options);
  const auto trained = 4 * (10 * 64 + 10 + 2 * 64);
  CHECK(head.bytes.weights == all.bytes.weights);
  CHECK(head.bytes.gradients == Count(trained));
  CHECK(head.bytes.optimizer == Count(2 * trained + 4 * 4));
  // Nothing flows below the last norm: it keeps its input, the head its own.
  CHECK(head.activations.saved < all.activations.saved / 4);
}

// Hu et al. 2022: r (in + out) parameters a layer.
TEST_CASE("adapters add their own parameters, and train nothing else") {
  auto a = ask();
  const auto base = graph_of(a);
  const auto graph = with_lora(base, {2, {"qkv", "attn.proj"}});
  const auto added = 4 * 2 * ((64 + 192) + (64 + 64));
  CHECK(parameters(graph).sum() == parameters(base).sum() + Count(added));
  const auto e = estimate_memory(graph, a.options);
  CHECK(e.bytes.gradients == Count(4 * added));
  CHECK(e.activations.by_module.sum() == e.activations.saved);
  CHECK_THROWS_WITH_AS((void)with_lora(base, {2, {"qvk"}}),
                       "--lora-targets: no linear layer is called 'qvk' (there are all-linear, "
                       "fc1, fc2, head, proj, qkv); did "
                       "you mean 'qkv'?",
                       Error);
}

TEST_CASE("ZeRO's table 1, and model states cut over ranks") {
  for (const auto& fact : test::facts("memory/published.json")) {
    if (!is(fact, "zero")) continue;
    CAPTURE(test::dumped(fact));
    const auto& c = fact["config"];
    check_fact(rules::zero_states(c["params"], c["K"], c["stage"], c["Nd"]) / 1e9, fact);
  }
  for (unsigned stage = 0; stage <= 3; ++stage)
    for (const std::uint64_t ranks : {1U, 4U, 64U}) {
      CAPTURE(stage);
      CAPTURE(ranks);
      auto a = ask({{"embed_dim", 256}});
      a.options.precision = precision("mixed16");
      a.options.parallel.data = ranks;
      a.options.parallel.zero = stage;
      const auto graph = graph_of(a);
      const auto b = estimate_memory(graph, a.options).bytes;
      const auto rule = rules::zero_states(parameters(graph).sum().as_double(), 12, stage,
                                           static_cast<double>(ranks));
      const auto rounding = 16.0 * static_cast<double>(graph.params.size());
      CHECK(std::abs((b.weights + b.gradients + b.optimizer).as_double() - rule) <= rounding);
    }
}

TEST_CASE("stage 3 gathers one block at a time") {
  auto a = ask();
  const auto whole = estimate(a);
  a.options.parallel.data = 1000;
  a.options.parallel.zero = 3;
  const auto cut = estimate(a);
  const auto graph = graph_of(a);
  const auto block = 4 * (12 * 64 * 64 + 13 * 64);
  const auto outside = whole.bytes.weights - Count(4 * block);
  CHECK(cut.bytes.workspace >= outside + Count(block));
  CHECK(cut.bytes.workspace <= whole.bytes.workspace + outside + Count(block));
}

TEST_CASE("DeepSpeed's estimators") {
  for (const auto& fact : test::facts("memory/published.json")) {
    const auto id = fact["id"].get<std::string>();
    const auto& c = fact["config"];
    CAPTURE(id);
    if (id == "deepspeed/t5-3b-zero2-gpu-code")
      check_fact(rules::deepspeed_zero2(c["total_params"], 8), fact);
    if (id == "deepspeed/t5-3b-zero3-none-gpu")
      check_fact(rules::deepspeed_zero3(c["total_params"], c["largest_layer_params"], 8) / 0x1p30,
                 fact);
    if (id == "deepspeed/t0_3b-zero3-1gpu-none-gpu")
      check_fact(rules::deepspeed_zero3(c["total_params"], c["largest_layer_params"], 1) / 0x1p30,
                 fact);
  }
}

namespace {

struct Variant {
  double tensor = 1;
  bool sequence = false;
  rules::Recompute recompute = rules::Recompute::none;
};

Variant variant_of(const std::string& id, double t) {
  using rules::Recompute;
  const auto has = [&](const char* word) { return id.find(word) != std::string::npos; };
  Variant v;
  if (has("tensor")) v.tensor = t;
  v.sequence = has("+sequence") || has("eq5");
  if (v.sequence) v.tensor = t;
  if (has("selective")) v.recompute = Recompute::selective;
  if (has("full")) v.recompute = Recompute::full;
  return v;
}

}  // namespace

TEST_CASE("Korthikanti et al.'s activations: table 2, equation 5, figure 7") {
  for (const auto& fact : test::facts("memory/published.json")) {
    const auto id = fact["id"].get<std::string>();
    if ((!is(fact, "act") && !is(fact, "act_pct")) || id.find("dealloc") != std::string::npos)
      continue;
    CAPTURE(id);
    const auto& c = fact["config"];
    const rules::Layer layer{c["s"], c["b"], c["h"], c["a"]};
    const auto v = variant_of(id, c["t"]);
    auto bytes = rules::layer_activations(layer, v.tensor, v.sequence, v.recompute);
    if (id.find("eq5") != std::string::npos)
      bytes = rules::first_stage_activations(bytes, c["L"], c["p"], 1);
    if (is(fact, "act_pct"))
      bytes = 100 * bytes / rules::layer_activations(layer, c["t"], false, rules::Recompute::none);
    check_fact(bytes, fact);
  }
}

TEST_CASE("tensor parallelism cuts what it must, and pipelines keep micro-batches waiting") {
  auto a = ask();
  const auto one = estimate(a);
  a.options.parallel.tensor = 4;
  const auto four = estimate(a);
  CHECK(four.bytes.weights > one.bytes.weights / 4);
  CHECK(four.bytes.weights < one.bytes.weights / 2);
  CHECK(four.activations.saved < one.activations.saved);
  a.options.parallel.sequence = true;
  CHECK(estimate(a).activations.saved < four.activations.saved);
  CHECK_THROWS_WITH_AS((a.options.parallel.tensor = 3, (void)estimate(a)),
                       "--tp 3 does not divide the 4 heads of blocks.0.attn", Error);

  a = ask();
  a.options.parallel.pipeline = 2;
  a.options.parallel.micro_batches = 8;
  const auto first = estimate(a);
  CHECK(first.pipeline_rank == 0);
  CHECK(first.in_flight == 2);
  a.options.parallel.interleave = 2;
  CHECK(estimate(a).in_flight == 2 * (1 + 1.0 / 4));  // Korthikanti et al.: 1 + (p - 1) / (p m)
  CHECK_THROWS_WITH_AS((a.options.parallel.interleave = 3, (void)estimate(a)),
                       "--pp 2 --interleave 3 does not divide the 4 blocks", Error);
}

TEST_CASE("the batch that is found fits, and the next one does not") {
  auto a = ask();
  for (const std::uint64_t budget : {20'000'000U, 100'000'000U, 333'333'333U}) {
    const FitQuestion question{
        [&](const BuildOptions& b) { return model_from_spec(a.spec, "t", "t").build(b); }, a.build,
        a.options, budget};
    const auto fit = largest_batch(question);
    CHECK(fit.batch > 0);
    CHECK(fit.need <= Count(budget));
    CHECK(fit.next_need > Count(budget));
    a.build.batch = fit.batch;
    CHECK(estimate(a).peak.bytes == fit.need);
    for (const auto& advice : advise(question, fit)) {
      CHECK(advice.need < fit.need);
      CHECK(advice.largest > fit.batch);
    }
  }
}

TEST_CASE("blocks are found by structure") {
  CHECK(block_calls(graph_of(ask())).size() == 4);
  CHECK(block_calls(graph_of(ask({{"depth", 1}}))).size() == 1);
  CHECK(block_calls(graph_of(ask({{"block_fn", "ParallelThingsBlock"}}))).size() == 4);
  CHECK(attention_cores(graph_of(ask())).size() == 4);
}
