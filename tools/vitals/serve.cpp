#include "serve.h"

#include "core/error.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/price_file.h"
#include "latency/serving.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace vitals::cli {
namespace {

// How servers call a scheme, and in what its linear layers and its experts are stored.
struct Scheme {
  const char* name;
  const char* linear;
  const char* experts;
};
constexpr std::array<Scheme, 9> kSchemes = {{{"none", "bf16", "bf16"},
                                             {"fp8", "fp8", "fp8"},
                                             {"fp8-block", "fp8_block", "fp8_block"},
                                             {"nvfp4", "nvfp4", "nvfp4"},
                                             {"mxfp4", "bf16", "w4a16_mxfp4"},
                                             {"int4", "int4_wo", "int4_wo"},
                                             {"awq-128", "int4_wo", "int4_wo"},
                                             {"gptq-128", "int4_wo", "int4_wo"},
                                             {"nf4", "int4_wo", "int4_wo"}}};

struct Serving {
  latency::StepTime prefill;  // of one prompt
  latency::StepTime decode;   // of one token of all streams
  latency::ServingMemory memory;
  double pool = 0;  // bytes for keys and values
  std::uint64_t max_concurrency = 0;
  double prefill_share = 0;  // seconds of a decode step that prompts of other streams take

  // What is added to each token's time while other streams' prompts are read.
  [[nodiscard]] double tpot() const { return decode.seconds() + prefill_share; }
  [[nodiscard]] double ttft(std::uint64_t concurrency) const {
    return prefill.seconds() + (concurrency > 1 ? decode.seconds() : 0);
  }
};

struct Figures {
  double prefill_ms, ttft_ms, tpot_ms, tokens_per_s, tokens_per_s_per_gpu;
  std::array<double, 2> prefill_range, tpot_range, tokens_range;
  bool fits;
};

// One token of every stream, in the middle of its answer.
Graph decode_step(const Model& model, const ServeOptions& o, std::uint64_t streams) {
  BuildOptions build;
  build.attention = AttentionKernel::fused;
  build.batch = streams;
  build.seq_len = 1;
  build.past_len = o.input_len + o.output_len / 2;
  return model.build(build);
}

latency::ServingMemory memory_of(const Graph& step, const ServeOptions& o,
                                 const latency::ServingSetup& setup, std::uint64_t streams) {
  return latency::serving_memory(step, setup, o.input_len + o.output_len, streams);
}

// Bytes of the memory that may be used which weights and activations leave.
double pool_of(const latency::ServingMemory& memory, const ServeOptions& o,
               const DeviceSpec& device) {
  if (!device.memory) fail("{} states no memory", device.title);
  return o.memory_utilization * device.memory->as_double() - memory.weights.as_double() -
         memory.activations.as_double();
}

Serving serving(const Model& model, const ServeOptions& o, const latency::ServingSetup& setup,
                const DeviceSpec& device, const std::string& mode) {
  Serving s;
  BuildOptions build;
  build.attention = AttentionKernel::fused;
  build.seq_len = o.input_len;
  const auto prompt = model.build(build);
  if (prompt.kv_caches.empty())
    fail("{}: --mode {} is for models that generate text; this one keeps no keys and values",
         prompt.model, mode);
  s.prefill = latency::step_time(prompt, setup);
  const auto step = decode_step(model, o, o.concurrency);
  s.decode = latency::step_time(step, setup);
  if (mode == "serve" && o.concurrency > 1)
    s.prefill_share = static_cast<double>(o.concurrency - 1) *
                      (s.prefill.seconds() - s.prefill.host) / static_cast<double>(o.output_len);
  s.memory = memory_of(step, o, setup, o.concurrency);
  s.pool = pool_of(s.memory, o, device);
  if (s.pool > 0)
    s.max_concurrency =
        static_cast<std::uint64_t>(s.pool / std::max(1.0, s.memory.cache_of_stream.as_double()));
  return s;
}

Figures figures(const Serving& s, const ServeOptions& o) {
  const auto streams = static_cast<double>(o.concurrency);
  const double gpus = static_cast<double>(std::max(o.tp, o.ep));
  const auto rate = [&](double tpot) { return streams / tpot; };
  Figures f{};
  f.prefill_ms = 1e3 * s.prefill.seconds();
  f.ttft_ms = 1e3 * s.ttft(o.concurrency);
  f.tpot_ms = 1e3 * s.tpot();
  f.tokens_per_s = rate(s.tpot());
  f.tokens_per_s_per_gpu = f.tokens_per_s / gpus;
  f.prefill_range = {1e3 * s.prefill.low, 1e3 * s.prefill.high};
  const double low = s.prefill.low / s.prefill.seconds();
  const double high = s.prefill.high / s.prefill.seconds();
  f.tpot_range = {1e3 * (s.decode.low + low * s.prefill_share),
                  1e3 * (s.decode.high + high * s.prefill_share)};
  f.tokens_range = {1e3 * streams / f.tpot_range[1], 1e3 * streams / f.tpot_range[0]};
  f.fits = o.concurrency <= s.max_concurrency;
  return f;
}

nlohmann::ordered_json parts_json(const latency::StepTime& step) {
  return {{"linear_ms", 1e3 * step.linear},
          {"attention_ms", 1e3 * step.attention},
          {"experts_ms", 1e3 * step.experts},
          {"elementwise_ms", 1e3 * step.elementwise},
          {"communication_ms", 1e3 * step.communication},
          {"host_ms", 1e3 * step.host}};
}

std::vector<std::string> notes_of(const Serving& s, const ServeOptions& o,
                                  const latency::ServingSetup& setup, const std::string& mode) {
  std::vector<std::string> notes;
  notes.emplace_back("time to first token without queueing; CUDA graphs; attention in 16 bits");
  if (mode == "serve" && o.concurrency > 1)
    notes.emplace_back(
        "tpot includes the prompts of the other streams that are read between its tokens");
  if (!s.decode.measured || !s.prefill.measured)
    notes.emplace_back(
        "some kernels were not measured on this device in this format: they have "
        "the factors of devices that resemble it, and a wide range");
  if (setup.framework.empty())
    notes.emplace_back("the middle of the measured frameworks' kernels; --framework chooses one");
  if (o.concurrency > s.max_concurrency)
    notes.push_back(
        s.max_concurrency == 0
            ? std::string("the weights leave no room for keys and values")
            : fmt::format("{} streams do not fit; {} do", o.concurrency, s.max_concurrency));
  return notes;
}

nlohmann::ordered_json serving_json(const std::string& model, const Serving& s,
                                    const ServeOptions& o, const latency::ServingSetup& setup,
                                    const std::string& mode, const std::string& kv_dtype) {
  const auto f = figures(s, o);
  return {{"schema_version", 1},
          {"model", model},
          {"device", setup.device},
          {"mode", mode},
          {"input_len", o.input_len},
          {"output_len", o.output_len},
          {"concurrency", o.concurrency},
          {"tp", o.tp},
          {"ep", o.ep},
          {"quantize", o.quantize},
          {"kv_dtype", kv_dtype.empty() ? "bf16" : kv_dtype},
          {"prefill_ms", f.prefill_ms},
          {"ttft_ms", f.ttft_ms},
          {"tpot_ms", f.tpot_ms},
          {"tokens_per_s", f.tokens_per_s},
          {"tokens_per_s_per_gpu", f.tokens_per_s_per_gpu},
          {"max_concurrency", s.max_concurrency},
          {"range",
           {{"prefill_ms", f.prefill_range},
            {"tpot_ms", f.tpot_range},
            {"tokens_per_s", f.tokens_range}}},
          {"fits", f.fits},
          {"memory",
           {{"weights_bytes", s.memory.weights.value()},
            {"cache_bytes_of_stream", s.memory.cache_of_stream.value()},
            {"cache_pool_bytes", std::max(0.0, std::floor(s.pool))},
            {"activation_bytes", s.memory.activations.value()},
            {"utilization", o.memory_utilization}}},
          {"prefill", parts_json(s.prefill)},
          {"decode_step", parts_json(s.decode)},
          {"prefill_share_ms", 1e3 * s.prefill_share},
          {"notes", notes_of(s, o, setup, mode)}};
}

std::string in_ms(double ms) { return fmt::format("{:.{}f}", ms, ms < 10 ? 2 : ms < 1000 ? 1 : 0); }
std::string range_text(const std::array<double, 2>& range) {
  return fmt::format("{} - {}", in_ms(range[0]), in_ms(range[1]));
}

Table serving_table(const Serving& s, const ServeOptions& o, const latency::ServingSetup& setup,
                    const std::string& mode) {
  const auto f = figures(s, o);
  Table table{{{"quantity"}, {"value", true}, {"range (80 % of kernels)", true}}, {}, {}};
  const auto row = [&](const char* name, std::string value, std::string range = "") {
    table.rows.push_back({name, std::move(value), std::move(range)});
  };
  row("prefill of one prompt", in_ms(f.prefill_ms) + " ms", range_text(f.prefill_range));
  if (mode != "prefill") {
    row("time to first token", in_ms(f.ttft_ms) + " ms");
    row("time per output token", in_ms(f.tpot_ms) + " ms", range_text(f.tpot_range));
    row("tokens/s of a stream", in_ms(1e3 / f.tpot_ms));
    row("tokens/s of all streams", in_ms(f.tokens_per_s), range_text(f.tokens_range));
    row("tokens/s of a GPU", in_ms(f.tokens_per_s_per_gpu));
  }
  row("weights on a GPU", binary_bytes(s.memory.weights));
  row("keys and values of a stream", binary_bytes(s.memory.cache_of_stream));
  row("streams that fit", std::to_string(s.max_concurrency));
  row("fits", f.fits ? "yes" : "NO");
  table.notes = notes_of(s, o, setup, mode);
  for (auto& note : table.notes) note += ".";
  return table;
}

Table step_table(const Serving& s, const std::string& mode) {
  Table table{{{"where the time goes"}, {"prefill ms", true}, {"decode step ms", true}}, {}, {}};
  const auto row = [&](const char* name, double latency::StepTime::*part) {
    if (s.prefill.*part > 0 || s.decode.*part > 0)
      table.rows.push_back({name, in_ms(1e3 * s.prefill.*part), in_ms(1e3 * s.decode.*part)});
  };
  row("linear layers", &latency::StepTime::linear);
  row("attention", &latency::StepTime::attention);
  row("experts", &latency::StepTime::experts);
  row("elementwise", &latency::StepTime::elementwise);
  row("communication", &latency::StepTime::communication);
  row("between kernels", &latency::StepTime::host);
  if (mode == "serve" && s.prefill_share > 0)
    table.rows.push_back({"other streams' prompts", "", in_ms(1e3 * s.prefill_share)});
  return table;
}

Table serving_numbers(const std::string& model, const Serving& s, const ServeOptions& o,
                      const latency::ServingSetup& setup) {
  const auto f = figures(s, o);
  Table table{{{"model"},
               {"device"},
               {"concurrency"},
               {"prefill_ms"},
               {"ttft_ms"},
               {"tpot_ms"},
               {"tpot_low"},
               {"tpot_high"},
               {"tokens_per_s"},
               {"tokens_per_s_per_gpu"},
               {"max_concurrency"},
               {"fits"}},
              {},
              {}};
  const auto n = [](double x) { return fmt::format("{:.5g}", x); };
  table.rows.push_back({model, setup.device, std::to_string(o.concurrency), n(f.prefill_ms),
                        n(f.ttft_ms), n(f.tpot_ms), n(f.tpot_range[0]), n(f.tpot_range[1]),
                        n(f.tokens_per_s), n(f.tokens_per_s_per_gpu),
                        std::to_string(s.max_concurrency), f.fits ? "true" : "false"});
  return table;
}

}  // namespace

bool is_serving(const std::string& mode) {
  return mode == "prefill" || mode == "decode" || mode == "serve";
}

std::vector<std::string> serve_schemes() {
  std::vector<std::string> names;
  for (const auto& scheme : kSchemes) names.emplace_back(scheme.name);
  return names;
}

void add_serve_options(Command& c, ServeOptions& o) {
  c.group = "Serving (--mode prefill, decode, serve)";
  c.count("--input-len", o.input_len, "Tokens of a prompt").initial = "1024";
  c.count("--output-len", o.output_len, "Tokens of an answer").initial = "256";
  c.count("--concurrency", o.concurrency, "Streams at once").initial = "1";
  c.count("--tp", o.tp, "Tensor-parallel GPUs").initial = "1";
  c.count("--ep", o.ep, "GPUs that share the experts of a layer").initial = "1";
  c.choice("--quantize", o.quantize, serve_schemes(), "How the weights are stored").initial =
      "none";
}

namespace {

latency::ServingSetup setup_of(const ServeOptions& o, const DeviceSpec& device,
                               const std::string& kv_dtype, const std::string& framework) {
  latency::ServingSetup setup;
  setup.list = &prices::built_in();
  setup.machine = device.machine;
  setup.device = device.name;
  setup.framework = framework;
  setup.tp = o.tp;
  setup.ep = o.ep;
  setup.kv_bytes = kv_dtype == "fp8" ? 1 : 2;
  const auto& scheme = *std::find_if(kSchemes.begin(), kSchemes.end(),
                                     [&](const Scheme& s) { return o.quantize == s.name; });
  setup.format = prices::find_format(scheme.linear);
  setup.expert_format = prices::find_format(scheme.experts);
  return setup;
}

// Bytes that `streams` leave of the memory that may be used; below zero they do not fit. Nearly a
// straight line: activations and caches grow with the streams.
double room_of(const Model& model, const ServeOptions& o, const latency::ServingSetup& setup,
               const DeviceSpec& device, std::uint64_t streams) {
  const auto memory = memory_of(decode_step(model, o, streams), o, setup, streams);
  return pool_of(memory, o, device) -
         static_cast<double>(streams) * memory.cache_of_stream.as_double();
}

// At most those asked for; 0 where not even one fits.
std::uint64_t most_streams(const Model& model, const ServeOptions& o,
                           const latency::ServingSetup& setup, const DeviceSpec& device) {
  const auto room = [&](std::uint64_t n) { return room_of(model, o, setup, device, n); };
  const auto most = o.concurrency;
  const double least_room = room(1);
  if (least_room < 0) return 0;
  const double most_room = room(most);
  if (most_room >= 0) return most;
  const double each = (least_room - most_room) / static_cast<double>(most - 1);
  auto n = 1 + static_cast<std::uint64_t>(least_room / each);
  while (n > 1 && room(n) < 0) --n;
  while (n + 1 < most && room(n + 1) >= 0) ++n;
  return n;
}

}  // namespace

ServedRate served_rate(const Model& model, const ServeOptions& options, const DeviceSpec& device) {
  const auto setup = setup_of(options, device, "", "");
  ServedRate rate;
  rate.streams = most_streams(model, options, setup, device);
  if (rate.streams == 0) return rate;
  auto o = options;
  o.concurrency = rate.streams;
  const auto s = serving(model, o, setup, device, "serve");
  const auto f = figures(s, o);
  rate.tokens_per_s = f.tokens_per_s;
  rate.low = f.tokens_range[0];
  rate.high = f.tokens_range[1];
  rate.measured = s.decode.measured && s.prefill.measured;
  return rate;
}

void predict_serving(const Model& model, const ServeOptions& o, const DeviceChoice& choice,
                     const std::string& mode, const std::string& kv_dtype,
                     const std::string& framework, const OutputOptions& output) {
  const auto device = chosen_device(choice);
  const auto setup = setup_of(o, device, kv_dtype, framework);
  const auto s = serving(model, o, setup, device, mode);
  const auto name = model.name;
  deliver(
      written({.json = [&] { return serving_json(name, s, o, setup, mode, kv_dtype); },
               .numbers = [&] { return serving_numbers(name, s, o, setup); },
               .page =
                   [&] {
                     return titled(fmt::format("{} on {}{}: {} streams of {} + {} tokens, {}", name,
                                               std::max(o.tp, o.ep) > 1
                                                   ? fmt::format("{} x ", std::max(o.tp, o.ep))
                                                   : "",
                                               device.title, o.concurrency, o.input_len,
                                               o.output_len, o.quantize),
                                   serving_table(s, o, setup, mode), output) +
                            "\n" + titled("By part", step_table(s, mode), output);
                   }},
              output),
      output);
}

}  // namespace vitals::cli
