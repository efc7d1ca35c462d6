// What a device can do, as its data sheet says, and how much of that real programs reach, as
// measurements say. Plain data: knows no model, no file and no formula.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitals {

enum class MachineKind : std::uint8_t { gpu, cpu };

// Peaks in FLOP/s, dense, with the accumulate type that frameworks use: products of float16 and
// bfloat16 add up in float32. Nothing where the device lacks the type.
struct Machine {
  MachineKind kind = MachineKind::gpu;
  std::string maker;           // "nvidia", "amd", ...: whose kernels run; empty: not stated
  std::optional<double> fp32;  // without TensorFloat-32, as PyTorch runs float32 unless told
  std::optional<double> tf32;
  std::optional<double> fp16;
  std::optional<double> bf16;
  std::optional<double> fp8;
  std::optional<double> fp4;
  double bandwidth = 0;     // bytes per second
  double cache = 0;         // bytes of the last-level cache; 0: not stated
  double link = 0;          // bytes per second to other devices of the node, one way; 0: not stated
  std::uint64_t units = 1;  // multiprocessors or cores: work comes in waves of so many tiles
};

// Machines that have more in common than others: "cpu"; "gpu-half-rate", a GPU whose matrix units
// are held at twice its fp32 rate when they add up in float32 (GeForce since Ampere), so that
// programs reach all of it; "gpu", all others: matrix units that are faster than programs, memory
// and power can follow, or none.
[[nodiscard]] inline std::string_view family_of(const Machine& machine) {
  if (machine.kind == MachineKind::cpu) return "cpu";
  if (!machine.fp16 || !machine.fp32) return "gpu";
  const double ratio = *machine.fp16 / *machine.fp32;
  return ratio > 1.5 && ratio < 2.5 ? "gpu-half-rate" : "gpu";
}

// What relates a machine's data sheet to the time of an op. Each is one physical fact, fitted on
// published measurements (tools/calibrate) and kept as data (specs/calibration.json).
struct Factors {
  double product = 1.0;      // share of the peak that a product of inner size 1024 reaches
  double width = 0.0;        // that share grows as (inner size / 1024)^width
  double convolution = 0.5;  // the same for convolutions
  double attention = 1.0;    // the same for the products inside of fused attention
  double score = 50.0;       // FLOPs that the exponential of a score costs as much as
  double bias = 200.0;       // the same for the additive bias of a score
  double bandwidth = 0.8;    // share of the memory bandwidth
  double strided = 2.0;      // what a byte costs that is read across the grain
  double launch = 4e-6;      // seconds from one kernel to the next
  double backward = 2.0;     // traffic of an op's backward pass in that of its forward pass
  // Of CPUs alone.
  double rows = 0.0;      // the share of a product's peak grows as (rows / 256)^rows
  double pack = 50.0;     // FLOPs that an element costs which a product copies into blocks
  double aliasing = 0.0;  // how the share falls with inner strides that meet in few cache sets
  double cached = 1.0;    // bandwidth of activations, which caches hold, in that of the memory
  double rolled = 2e-8;   // seconds for an element that is read through computed indices
};

// Where a model lies among others: logarithms of sizes, averaged over the time of its products, and
// shares of the time.
struct Profile {
  double tokens = 0;  // rows of a product for each sample
  double width = 0;   // inner size
  double batch = 0;
  double attention = 0;
  double elementwise = 0;
  double strided = 0;  // kernels that read across the grain
};

// A measured model, and what the factors leave over of it.
struct Neighbour {
  std::string model;
  Profile profile;
  double log_error = 0;  // log(predicted / measured time)
};

}  // namespace vitals
