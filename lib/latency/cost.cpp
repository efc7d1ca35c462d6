#include "latency/cost.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitals::latency {
namespace {

// Inner steps that the start and the end of a tile cost as much as.
constexpr double kTileOverhead = 50;
// The inner size at which Factors::product is stated.
constexpr double kProductWidth = 1024;
// A GPU's attention works on tiles of so many queries and keys, and on heads padded to so many
// features.
constexpr double kAttentionTile = 128;
constexpr double kHeadPadding = 64;
// A CPU's vectors are shorter, and its cores share what is left of a product.
constexpr double kVector = 16;

// The rows at which Factors::product is stated on a CPU.
constexpr double kProductRows = 256;
// Addresses so many bytes apart meet in the same set of a first-level cache, whose lines are so
// long.
constexpr std::uint64_t kSetStride = 4096;
constexpr std::uint64_t kCacheLine = 64;

double up(double x, double step) { return std::ceil(x / step) * step; }

// Work that is done for one unit of work that is asked for: tiles overhang the edges, and the last
// wave of tiles leaves units idle. Smaller tiles waste less of both, and reuse less of what they
// load; the library takes the best.
double overhang(const Kernel& kernel, const Machine& machine) {
  struct Tile {
    double edge;
    double slowness;
  };
  constexpr Tile kTiles[] = {{128, 1.0}, {64, 1.25}, {32, 2.0}};
  const auto units = static_cast<double>(machine.units);
  double best = 0;
  for (const auto& tile : kTiles) {
    const double tiles =
        kernel.count * std::ceil(kernel.m / tile.edge) * std::ceil(kernel.n / tile.edge);
    const double done = up(tiles, units) * tile.edge * tile.edge * tile.slowness;
    const double factor = done / (kernel.count * kernel.m * kernel.n);
    if (best == 0 || factor < best) best = factor;
  }
  return best;
}

double product_seconds(const Kernel& kernel, const Machine& machine, double peak,
                       const Factors& f) {
  if (kernel.flops == 0) return 0;
  const bool conv = kernel.kind == KernelKind::convolution;
  const double share =
      conv ? f.convolution : f.product * std::pow(kernel.k / kProductWidth, f.width);
  return kernel.flops * overhang(kernel, machine) * (kernel.k + kTileOverhead) / kernel.k /
         (peak * share);
}

// How many times fewer sets the rows of a matrix meet than they could: 1 for strides that spread,
// 64 for multiples of 4 KiB.
double crowding(double inner_size) {
  const auto stride = static_cast<std::uint64_t>(inner_size * sizeof(float));
  return static_cast<double>(std::max(kCacheLine, std::gcd(kSetStride, stride))) / kCacheLine;
}

// The library copies both operands into blocks that its inner loop reads in order, and the result
// out of them (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053): of small matrices that is
// much of the time. Weights come from memory before.
double cpu_product_seconds(const Kernel& kernel, double peak, const Factors& f) {
  if (kernel.flops == 0) return 0;
  const bool conv = kernel.kind == KernelKind::convolution;
  const double share = conv ? f.convolution
                            : f.product * std::pow(kernel.k / kProductWidth, f.width) *
                                  std::pow(kernel.m / kProductRows, f.rows) *
                                  std::pow(crowding(kernel.k), -f.aliasing);
  const double copied =
      kernel.count * (kernel.m * kernel.k + kernel.k * kernel.n + kernel.m * kernel.n);
  return (kernel.flops * up(kernel.n, kVector) / kernel.n / share + f.pack * copied) / peak;
}

double attention_seconds(const Kernel& kernel, const Machine& machine, double peak,
                         const Factors& f) {
  const bool gpu = machine.kind == MachineKind::gpu;
  const auto units = gpu ? static_cast<double>(machine.units) : 1.0;
  const double tile = gpu ? kAttentionTile : kVector;
  const double tiles = kernel.count * std::ceil(kernel.m / tile);
  const double scores = up(tiles, units) * tile * up(kernel.n, tile) * (kernel.causal ? 0.5 : 1.0);
  const double extra = f.score + (kernel.biased ? f.bias : 0.0);
  const double width = up(kernel.k, gpu ? kHeadPadding : kVector);
  return scores * (4 * width / f.attention + extra) / peak;
}

// Of forward and backward together, in units of the forward pass. A product has two in its backward
// pass, one for each operand; fused attention computes its scores once more (Dao et al. 2022,
// arXiv:2205.14135: five products to the forward pass' two).
double passes(const Kernel& kernel, const Factors& factors, bool training) {
  if (!training || kernel.optimizer) return 1;
  switch (kernel.kind) {
    case KernelKind::product:
    case KernelKind::convolution:
      return 3;
    case KernelKind::attention:
      return 3.5;
    case KernelKind::elementwise:
    case KernelKind::norm:
      return 1 + factors.backward;
  }
  return 1;
}

// On a CPU caches hold most activations, so that products wait for arithmetic and weights alone,
// one after the other: no other work hides what is copied first.
Cost cpu_cost(const Kernel& kernel, const Machine& machine, double peak, const Factors& f) {
  const double bandwidth = machine.bandwidth * f.bandwidth;
  double compute = 0;
  double memory = kernel.weight_bytes / bandwidth;
  switch (kernel.kind) {
    case KernelKind::product:
    case KernelKind::convolution:
      compute = cpu_product_seconds(kernel, peak, f);
      break;
    case KernelKind::attention:
      compute = attention_seconds(kernel, machine, peak, f);
      break;
    case KernelKind::elementwise:
    case KernelKind::norm:
      memory = (kernel.bytes + f.strided * kernel.strided_bytes) / (bandwidth * f.cached) +
               f.rolled * kernel.rolled;
  }
  return {compute + memory + f.launch, compute > memory ? Bound::compute : Bound::memory};
}

Cost gpu_cost(const Kernel& kernel, const Machine& machine, double peak, const Factors& factors) {
  const double memory = (kernel.bytes + factors.strided * kernel.strided_bytes) /
                        (machine.bandwidth * factors.bandwidth);
  double compute = 0;
  if (kernel.kind == KernelKind::attention)
    compute = attention_seconds(kernel, machine, peak, factors);
  else if (kernel.kind == KernelKind::product || kernel.kind == KernelKind::convolution)
    compute = product_seconds(kernel, machine, peak, factors);
  return {std::max(memory, compute) + factors.launch,
          compute > memory ? Bound::compute : Bound::memory};
}

}  // namespace

Cost cost(const Kernel& kernel, const Machine& machine, double peak, const Factors& factors,
          bool training) {
  auto cost = machine.kind == MachineKind::cpu ? cpu_cost(kernel, machine, peak, factors)
                                               : gpu_cost(kernel, machine, peak, factors);
  cost.seconds *= passes(kernel, factors, training);
  return cost;
}

double least_seconds(const Kernel& kernel, double peak, bool training) {
  return kernel.flops * product_passes(training) / peak;
}

}  // namespace vitals::latency
