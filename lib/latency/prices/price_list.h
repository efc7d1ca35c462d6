// Prices of kernels: fitted factors for each device, framework and number format, and a correction
// from measured kernels of similar sizes (Gaussian-process regression; Rasmussen and Williams 2006,
// algorithm 2.1, with a Matern 3/2 kernel). A device that was not measured is priced with its own
// data sheet and the factors of the measured devices that resemble it. Knows no file.
#pragma once

#include "latency/prices/physics.h"

#include <string>
#include <vector>

namespace vitals::prices {

// Of the logarithm of measured / predicted time: 80 % lie between these.
struct Spread {
  double low = -0.3;
  double high = 0.3;
};

// Kernels of one framework in one number format on one device. For all-reduce `dtype` is how it was
// called: "graph", "eager" or "nccl-tests".
struct Group {
  std::string framework;
  std::string dtype;
  Values factors{};
};

// A measured kernel: its sizes, and its weight in the correction.
struct Point {
  Sizes sizes{};
  std::size_t group = 0;
  double kv_bytes = 2;
  double weight = 0;
};

struct DevicePrices {
  Family family = Family::gemm;
  std::string device;
  Machine machine;  // its data sheet
  std::vector<Group> groups;
  std::vector<Point> points;
  Spread near;  // where similar kernels were measured, and elsewhere
  Spread far;
};

struct PriceList {
  std::vector<DevicePrices> devices;
  // By family: of devices that were not measured.
  std::array<Spread, kFamilies.size()> unseen;
};

// Similarity of two kernels, 0 to 1.
[[nodiscard]] double similarity(Family family, const Sizes& a, const Group& group_a, double kv_a,
                                const Sizes& b, const Group& group_b, double kv_b);

// How much two data sheets resemble each other, 0 to 1: by peak and bandwidth of a multiprocessor,
// for all-reduce by the link.
[[nodiscard]] double resemblance(Family family, const Machine& a, const Machine& b);

struct Price {
  double us = 0;
  double low = 0;  // 80 % of measured kernels lie between these
  double high = 0;
  bool measured = false;                // this device was, in this number format
  std::vector<std::string> frameworks;  // whose kernels; several: the middle of their times
};

// `framework`: empty for the middle of the measured ones. Throws Error where the machine lacks the
// format, or no device was measured in it.
[[nodiscard]] Price price(const PriceList& list, const Question& question, const Machine& machine,
                          const std::string& device, const std::string& framework);

// Logarithm of the time in microseconds of one group, corrected; `support` (0 to 1) tells how well
// the sizes are covered by measured ones.
struct Estimate {
  double log_us = 0;
  double support = 0;
};
[[nodiscard]] Estimate estimate(const DevicePrices& prices, std::size_t group,
                                const Question& question, const Machine& machine,
                                const Values& factors);

}  // namespace vitals::prices
