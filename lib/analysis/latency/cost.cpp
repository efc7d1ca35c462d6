#include "analysis/latency/cost.h"

#include <algorithm>
#include <cmath>

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

double up(double x, double step) { return std::ceil(x / step) * step; }

// Work that is done for one unit of work that is asked for: tiles overhang the edges, and the last
// wave of tiles leaves units idle. Smaller tiles waste less of both, and reuse less of what they
// load; the library takes the best.
double overhang(const Kernel& kernel, const Machine& machine) {
  if (machine.kind == MachineKind::cpu) return up(kernel.n, kVector) / kernel.n;
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

}  // namespace

Cost cost(const Kernel& kernel, const Machine& machine, double peak, const Factors& factors,
          bool training) {
  const double memory = (kernel.bytes + factors.strided * kernel.strided_bytes) /
                        (machine.bandwidth * factors.bandwidth);
  double compute = 0;
  if (kernel.kind == KernelKind::attention)
    compute = attention_seconds(kernel, machine, peak, factors);
  else if (kernel.kind == KernelKind::product || kernel.kind == KernelKind::convolution)
    compute = product_seconds(kernel, machine, peak, factors);
  const double seconds = std::max(memory, compute) + factors.launch;
  return {seconds * passes(kernel, factors, training),
          compute > memory ? Bound::compute : Bound::memory};
}

}  // namespace vitals::latency
