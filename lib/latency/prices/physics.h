// The time of one GPU kernel from its sizes, the data sheet and a few fitted factors: gemm,
// attention of a prompt and of one new token, the experts of one layer, all-reduce within a node.
// Tiles, waves, split reductions, the launch floor and what the L2 cache holds are modelled; what
// they leave over is the business of price_list.h. Knows no device by name and no file.
#pragma once

#include "latency/device.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vitals::prices {

enum class Family : std::uint8_t { gemm, prefill, decode, moe, allreduce };
inline constexpr std::array<Family, 5> kFamilies = {Family::gemm, Family::prefill, Family::decode,
                                                    Family::moe, Family::allreduce};

inline constexpr std::size_t kMaxSizes = 8;
inline constexpr std::size_t kMaxFactors = 8;
// In the order of FamilySpec::sizes; unused entries are zero.
using Sizes = std::array<double, kMaxSizes>;
// In the order of FamilySpec::factors.
using Values = std::array<double, kMaxFactors>;

// A fitted factor: its usual value, and how far (in logarithms) measurements may pull it easily.
struct FactorSpec {
  std::string_view name;
  double usual = 1;
  double spread = 1;
};

// gemm: m (rows), n (outputs), k (inputs).
// prefill, decode: batch, q_heads, kv_heads, head_dim, q_len, kv_len, window (0: none).
// moe: tokens, hidden, inter, experts, topk, tp, ep, skew (0: balanced, else the exponent of the
//      power law of tokens over experts); the time is that of the GPU with the most tokens.
// allreduce: ranks, bytes (a rank), copied (1: the input is copied into the kernel's buffer
// before).
struct FamilySpec {
  Family family;
  std::string_view name;
  std::vector<std::string_view> sizes;
  std::vector<FactorSpec> factors;
};
[[nodiscard]] const FamilySpec& spec_of(Family family);

// How numbers are stored and multiplied.
struct Format {
  std::string_view name;
  double weight_bytes = 2;  // of a weight, block scales included
  double input_bytes = 2;   // of what a product reads; outputs are 16-bit
  std::optional<double> Machine::*peak = &Machine::bf16;

  [[nodiscard]] bool quantizes_inputs() const { return input_bytes < 2; }
};
[[nodiscard]] const std::vector<Format>& formats();
// Null when there is none of this name.
[[nodiscard]] const Format* find_format(std::string_view name);

struct Question {
  Family family = Family::gemm;
  Sizes sizes{};
  const Format* format = nullptr;  // of products
  double kv_bytes = 2;             // of an element of the KV cache
};

// Microseconds. The machine has the format's peak.
[[nodiscard]] double physics_us(const Question& question, const Machine& machine,
                                const Values& factors);
// Microseconds below which no kernel can stay: its products at the peak rate.
[[nodiscard]] double least_us(const Question& question, const Machine& machine);

}  // namespace vitals::prices
