// A sweep: models, axes with their values, and the figures to compute at every point of the grid.
// Points are numbered from 0, the last axis runs fastest. Knows no file and no figure.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitals {

struct SweepAxis {
  std::string name;
  bool option = false;              // of the run; else a field of the model
  std::vector<std::string> values;  // as JSON writes them
};

struct Sweep {
  std::vector<std::string> models;  // what rows call them
  std::vector<SweepAxis> axes;
  std::vector<std::string> figures;

  [[nodiscard]] Count points() const;
};

// Which model, and which value of each axis.
struct SweepPoint {
  std::size_t model = 0;
  std::vector<std::size_t> values;
};
[[nodiscard]] SweepPoint sweep_point(const Sweep& sweep, std::uint64_t index);

// Every N-th point from K - 1 on: all shards take about as long, and together they have each point
// once.
struct Shard {
  std::uint64_t number = 1;  // K, from 1
  std::uint64_t of = 1;      // N

  [[nodiscard]] std::uint64_t points(std::uint64_t all) const;
  [[nodiscard]] std::uint64_t point(std::uint64_t place) const { return place * of + number - 1; }
};
// "2/8". Throws Error.
[[nodiscard]] Shard parse_shard(const std::string& text);

// The places of the costs that no other beats: no worse in each, better in one. Equal ones all
// stay. `costs[i]` has one number for each goal, less is better; NaN is no candidate.
[[nodiscard]] std::vector<std::size_t> pareto_front(const std::vector<std::vector<double>>& costs);

}  // namespace vitals
