#include "runtime/program/params.h"

#include "graph/op_traits.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace vitals {
namespace {

// Sebastiano Vigna's splitmix64: any counter makes a good 64-bit number.
std::uint64_t mixed(std::uint64_t counter) {
  std::uint64_t z = counter * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

// FNV-1a
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// The sum of four uniform numbers, scaled to a deviation of one: nearly normal, never beyond 3.46.
float nearly_normal(std::uint64_t bits) {
  constexpr float kMean = 4 * 32767.5F;
  constexpr float kDeviation = 37837.2F;  // sqrt(4 / 12) * 65536
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>((bits >> (16 * i)) & 0xffffU);
  return (sum - kMean) / kDeviation;
}

enum class Kind : std::uint8_t { matrix, factor, bias };

// What a parameter is, by the op that uses it.
std::vector<Kind> kinds_of(const Graph& graph) {
  std::vector<Kind> kinds(graph.params.size(), Kind::matrix);
  for (const auto& node : graph.nodes) {
    const auto [weight, bias] = node.params;
    if (weight != kNone && traits(node.op).weight == WeightKind::factor)
      kinds[weight] = Kind::factor;
    if (bias != kNone) kinds[bias] = Kind::bias;
    // The running mean and variance of a batch norm, where they are the model's own.
    if (std::holds_alternative<op::BatchNorm>(node.op) && node.inputs.size() == 3)
      for (std::size_t i = 1; i < 3; ++i)
        if (const auto& from = graph.nodes[node.inputs[i]];
            std::holds_alternative<op::Parameter>(from.op))
          kinds[from.params[0]] = i == 1 ? Kind::bias : Kind::factor;
    const auto* binary = std::get_if<op::Binary>(&node.op);
    if (binary == nullptr || binary->kind != op::BinaryKind::mul) continue;
    for (auto input : node.inputs)
      if (std::holds_alternative<op::Parameter>(graph.nodes[input].op))
        kinds[graph.nodes[input].params[0]] = Kind::factor;
  }
  return kinds;
}

}  // namespace

ParamSource random_params(const Graph& graph, std::uint64_t seed) {
  return [&graph, seed, kinds = kinds_of(graph)](ParamId id, std::span<float> values) {
    constexpr float kDeviation = 0.02F;
    if (kinds[id] != Kind::matrix) {
      std::fill(values.begin(), values.end(), kinds[id] == Kind::factor ? 1.0F : 0.0F);
      return;
    }
    auto counter = mixed(hash_of(path_of(graph, graph.params[id])) + seed);
    for (auto& value : values) value = kDeviation * nearly_normal(mixed(++counter));
  };
}

void fill_noise(std::span<float> values, std::uint64_t seed) {
  auto counter = mixed(seed);
  for (auto& value : values)
    value = static_cast<float>(mixed(++counter) >> 40U) / static_cast<float>(1U << 23U) - 1.0F;
}

}  // namespace vitals
