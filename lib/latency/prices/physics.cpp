#include "latency/prices/physics.h"

#include <algorithm>
#include <cmath>

namespace vitals::prices {
namespace {

constexpr double kMicro = 1e6;

// Close to the larger one; where both are alike they hinder each other.
double slower_of(double a, double b) {
  constexpr double kPower = 4;
  return std::pow(std::pow(a, kPower) + std::pow(b, kPower), 1 / kPower);
}

double peak_of(const Question& q, const Machine& machine) {
  return (machine.*q.format->peak).value_or(0);
}

// --- gemm

struct Tile {
  double rows;
  double columns;
  double slowness;  // smaller tiles read their operands more often
};
constexpr Tile kGemmTiles[] = {{128, 256, 1.0}, {128, 128, 1.05}, {128, 64, 1.25},
                               {64, 64, 1.6},   {64, 32, 2.2},    {16, 64, 3.0}};

// The best of the library's tiles and split reductions: whole waves of tiles over the
// multiprocessors, each with a prologue; a split writes float32 partial sums and adds them.
double gemm_compute(double m, double n, double k, const Machine& machine, double peak,
                    double prologue, double bandwidth) {
  const auto units = static_cast<double>(machine.units);
  constexpr double kSplitSeconds = 0.5e-6;
  double best = 0;
  for (const auto& tile : kGemmTiles)
    for (double split = 1; split <= 16; split *= 2) {
      const double tiles = std::ceil(m / tile.rows) * std::ceil(n / tile.columns) * split;
      const double steps = std::max(k / split, 32.0) + prologue;
      double seconds = std::ceil(tiles / units) * 2 * tile.rows * tile.columns * steps *
                       tile.slowness * units / peak;
      if (split > 1) seconds += 4 * m * n * split / bandwidth + kSplitSeconds;
      if (best == 0 || seconds < best) best = seconds;
    }
  return best;
}

double gemm_us(const Question& q, const Machine& machine, const Values& x) {
  const double m = q.sizes[0];
  const double n = q.sizes[1];
  const double k = q.sizes[2];
  const double bandwidth = machine.bandwidth * x[1];
  const double compute =
      gemm_compute(m, n, k, machine, peak_of(q, machine) * x[0], x[3], bandwidth);
  const double memory =
      (m * k * q.format->input_bytes + n * k * q.format->weight_bytes + 2 * m * n) / bandwidth;
  // The pass that quantizes the inputs reads them and writes them narrower.
  const double quantize =
      q.format->quantizes_inputs() ? m * k * (2 + q.format->input_bytes) / bandwidth : 0;
  return x[2] + kMicro * (slower_of(compute, memory) + quantize);
}

// --- attention

struct Attention {
  double batch, q_heads, kv_heads, width, queries, keys, window;
  explicit Attention(const Sizes& s)
      : batch(s[0]),
        q_heads(s[1]),
        kv_heads(s[2]),
        width(s[3]),
        queries(s[4]),
        keys(s[5]),
        window(s[6]) {}
  // Keys that a query sees on average.
  [[nodiscard]] double seen() const {
    const double causal = keys - 0.5 * (queries - 1);
    if (window <= 0 || window >= keys) return causal;
    if (queries <= 1) return window;
    // The first queries see less than the window where no earlier tokens are cached.
    const double before = keys - queries;
    const double growing = std::clamp(window - before, 0.0, queries);
    return (growing * (std::min(before, window) + 0.5 * growing) + (queries - growing) * window) /
           queries;
  }
};

double prefill_us(const Question& q, const Machine& machine, const Values& x) {
  const Attention a(q.sizes);
  const auto units = static_cast<double>(machine.units);
  const double rate = peak_of(q, machine) * x[0] / units;
  const double width = 64 * std::ceil(a.width / 64);
  constexpr Tile kTiles[] = {{128, 0, 1.0}, {64, 0, 1.3}};
  double best = 0;
  for (const auto& tile : kTiles) {
    const double blocks = a.batch * a.q_heads * std::ceil(a.queries / tile.rows);
    const double of_key = tile.rows * (4 * width + x[3]) / rate * tile.slowness;
    const double whole = (a.seen() + 0.5 * tile.rows + x[4]) * of_key;
    const double last = (std::max(a.seen(), std::min(a.keys, 2 * a.seen())) + x[4]) * of_key;
    const double waves = std::ceil(blocks / units) * whole;
    // Causal blocks are of unequal length: a scheduler fills the gaps, but not behind the longest.
    const double even = std::max(blocks * whole / units, last);
    const double seconds = std::max(even, std::min(waves, 2 * even));
    if (best == 0 || seconds < best) best = seconds;
  }
  const double moved = 4 * a.batch * a.q_heads * a.queries * a.width +
                       2 * a.batch * a.kv_heads * a.width * (a.keys * q.kv_bytes + 2 * a.queries);
  return x[2] + kMicro * slower_of(best, moved / (machine.bandwidth * x[1]));
}

// One new token a stream. A block of threads reads the keys and values of one KV head of a stream,
// or of a part of them; the parts are joined by a second kernel.
double decode_us(const Question& q, const Machine& machine, const Values& x) {
  const Attention a(q.sizes);
  const auto units = static_cast<double>(machine.units);
  const double seen = a.seen();
  const double work = a.batch * a.kv_heads;
  const double of_key = 2 * a.width * q.kv_bytes / (x[4] * 1e9) + 1e-9 * x[5];
  double best = 0;
  for (double split = 1; split <= 128; split *= 2) {
    if (split > 1 && seen / split < 64) break;
    const double waves = std::ceil(work * split / (2 * units));
    double seconds = waves * (x[3] * 1e-6 + std::max(seen / split, 16.0) * of_key);
    if (split > 1) seconds += x[6] * 1e-6;
    if (best == 0 || seconds < best) best = seconds;
  }
  const double bytes = 2 * work * seen * a.width * q.kv_bytes;
  // A cache that fits into the last level is read from there, as fast as the blocks ask for it.
  const double held = machine.cache > 0 ? 1 / (1 + std::pow(bytes / (x[7] * machine.cache), 4)) : 0;
  const double memory = bytes * (1 - held) / (machine.bandwidth * x[0]);
  // Matrix units take 16 rows at least, the query heads of a KV head.
  const double rows = std::max(a.q_heads / a.kv_heads, 16.0);
  const double compute = 4 * work * rows * seen * a.width / (peak_of(q, machine) * x[1]);
  return x[2] + kMicro * slower_of(slower_of(best, memory), compute);
}

// --- experts

// Tokens of the experts of the most loaded GPU. A power law: tokens of an expert are drawn with a
// density x^-skew between 1 and 0.8 of all tokens; its quantiles stand for the draw.
std::vector<double> expert_loads(const Sizes& s) {
  const double tokens = s[0];
  const auto experts = static_cast<std::size_t>(std::max(1.0, s[3]));
  const auto ep = static_cast<std::size_t>(std::max(1.0, s[6]));
  const auto local = std::max<std::size_t>(1, experts / ep);
  const double all = tokens * s[4];
  const double even = all / static_cast<double>(experts);
  if (s[7] <= 0) return std::vector<double>(local, even);
  const double most = std::max(0.8 * tokens, 1.5);
  const double e = 1 - s[7];
  std::vector<double> loads(experts);
  double sum = 0;
  for (std::size_t i = 0; i < experts; ++i) {
    const double u = 1 - (static_cast<double>(i) + 0.5) / static_cast<double>(experts);
    loads[i] = std::pow((std::pow(most, e) - 1) * u + 1, 1 / e);
    sum += loads[i];
  }
  std::vector<double> result;
  for (std::size_t i = 0; i < experts && result.size() < local; i += ep)
    result.push_back(std::min(tokens, loads[i] * all / sum));
  return result;
}

double moe_us(const Question& q, const Machine& machine, const Values& x) {
  const auto& s = q.sizes;
  const double hidden = s[1];
  const double inter = std::max(1.0, s[2] / std::max(1.0, s[5]));
  const auto units = static_cast<double>(machine.units);
  const auto loads = expert_loads(s);
  double rows = 0;
  double touched = 0;
  for (double load : loads) {
    rows += load;
    touched += load >= 1 ? 1 : s[7] > 0 ? load : 1 - std::exp(-load);
  }
  // Gate and up, then down: three matrices.
  const double rate = peak_of(q, machine) * x[0];
  constexpr Tile kTiles[] = {{128, 128, 1.0}, {64, 128, 1.25}, {32, 128, 1.9}, {16, 128, 3.2}};
  double best = 0;
  for (const auto& tile : kTiles) {
    double row_tiles = 0;
    for (double load : loads) row_tiles += load >= 1 ? std::ceil(load / tile.rows) : load;
    double seconds = 0;
    for (const auto& [n, k] : {std::pair{2 * inter, hidden}, std::pair{hidden, inter}}) {
      const double tiles = row_tiles * std::ceil(n / tile.columns);
      seconds += std::max(std::ceil(tiles / units), 1.0) * units * 2 * tile.rows * tile.columns *
                 (k + 100) * tile.slowness / rate;
    }
    if (best == 0 || seconds < best) best = seconds;
  }
  const double bandwidth = machine.bandwidth * x[1];
  const double memory = touched * 3 * hidden * inter * q.format->weight_bytes / bandwidth;
  const double moved = (4 * s[0] * hidden + rows * (4 * hidden + 6 * inter)) / bandwidth;
  return x[2] + x[4] * static_cast<double>(loads.size()) / 100 +
         kMicro * (slower_of(best, memory) + x[3] * moved);
}

// --- all-reduce

double allreduce_us(const Question& q, const Machine& machine, const Values& x) {
  const double ranks = q.sizes[0];
  const double bytes = q.sizes[1];
  const double link = machine.link * x[2];
  // Every rank reads all others', or its part of them and then the sums.
  const double once = x[1] * (ranks - 1) + kMicro * bytes * (ranks - 1) / link;
  const double twice = x[3] + x[1] * (ranks - 1) + kMicro * 2 * bytes * (ranks - 1) / ranks / link;
  const double copy = q.sizes[2] > 0 ? kMicro * 2 * bytes / (0.8 * machine.bandwidth) : 0;
  return x[0] + std::min(once, twice) + copy;
}

}  // namespace

const FamilySpec& spec_of(Family family) {
  static const std::vector<FamilySpec> specs = {
      {Family::gemm,
       "gemm",
       {"m", "n", "k"},
       {{"product", 0.75, 1}, {"bandwidth", 0.8, 1}, {"floor_us", 3, 2}, {"prologue", 100, 2}}},
      {Family::prefill,
       "attention_prefill",
       {"batch", "q_heads", "kv_heads", "head_dim", "q_len", "kv_len", "window"},
       {{"product", 0.7, 1},
        {"bandwidth", 0.6, 1},
        {"floor_us", 8, 2},
        {"score", 150, 2},
        {"prologue", 100, 2}}},
      {Family::decode,
       "attention_decode",
       {"batch", "q_heads", "kv_heads", "head_dim", "q_len", "kv_len", "window"},
       {{"bandwidth", 0.8, 1},
        {"product", 0.3, 2},
        {"floor_us", 6, 2},
        {"block_us", 1, 2},
        {"unit_gb_per_s", 40, 1.5},
        {"key_ns", 1, 2},
        {"join_us", 2, 2},
        {"cache", 0.7, 0.7}}},
      {Family::moe,
       "moe",
       {"tokens", "hidden", "inter", "experts", "topk", "tp", "ep", "skew"},
       {{"product", 0.6, 1},
        {"bandwidth", 0.7, 1},
        {"floor_us", 30, 2},
        {"traffic", 1, 2},
        {"hundred_experts_us", 5, 2}}},
      {Family::allreduce,
       "allreduce",
       {"ranks", "bytes", "copied"},
       {{"floor_us", 5, 2}, {"rank_us", 0.5, 2}, {"link", 0.7, 1}, {"phase_us", 3, 2}}}};
  return specs[static_cast<std::size_t>(family)];
}

const std::vector<Format>& formats() {
  // Scales: fp8_block one float32 for 128 x 128; nvfp4 one byte for 16; mxfp4 one byte for 32;
  // int4_wo one 16-bit number for 128.
  static const std::vector<Format> all = {{"bf16", 2, 2, &Machine::bf16},
                                          {"fp16", 2, 2, &Machine::fp16},
                                          {"fp8", 1, 1, &Machine::fp8},
                                          {"fp8_block", 1, 1, &Machine::fp8},
                                          {"nvfp4", 0.5625, 0.5625, &Machine::fp4},
                                          {"int4_wo", 0.515625, 2, &Machine::bf16},
                                          {"w4a16_mxfp4", 0.53125, 2, &Machine::bf16},
                                          {"w4a8_mxfp4_mxfp8", 0.53125, 1.03125, &Machine::fp8}};
  return all;
}

const Format* find_format(std::string_view name) {
  for (const auto& format : formats())
    if (format.name == name) return &format;
  return nullptr;
}

double physics_us(const Question& q, const Machine& machine, const Values& factors) {
  switch (q.family) {
    case Family::gemm:
      return gemm_us(q, machine, factors);
    case Family::prefill:
      return prefill_us(q, machine, factors);
    case Family::decode:
      return decode_us(q, machine, factors);
    case Family::moe:
      return moe_us(q, machine, factors);
    case Family::allreduce:
      return allreduce_us(q, machine, factors);
  }
  return 0;
}

double least_us(const Question& q, const Machine& machine) {
  const auto& s = q.sizes;
  double flops = 0;
  switch (q.family) {
    case Family::gemm:
      flops = 2 * s[0] * s[1] * s[2];
      break;
    case Family::prefill:
    case Family::decode: {
      const Attention a(s);
      flops = 4 * a.batch * a.q_heads * a.queries * a.seen() * a.width;
      break;
    }
    case Family::moe:  // the least loaded case: balanced
      flops = 6 * s[0] * s[4] / std::max(1.0, s[6]) * s[1] * s[2] / std::max(1.0, s[5]);
      break;
    case Family::allreduce:  // every rank sends and receives its share at least once
      return kMicro * s[1] * (s[0] - 1) / s[0] / machine.link;
  }
  const double peak = peak_of(q, machine);
  return peak > 0 ? kMicro * flops / peak : 0;
}

}  // namespace vitals::prices
