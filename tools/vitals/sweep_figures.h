// The figures of one point of a sweep: a model with changed fields, run with changed options. No
// arithmetic here.
#pragma once

#include "command_line.h"
#include "core/amount.h"
#include "frontends/devices/device_file.h"
#include "frontends/sweep/results.h"
#include "frontends/sweep/sweep_file.h"
#include "latency.h"
#include "memory/recipe.h"

#include <memory>
#include <string>
#include <vector>

namespace vitals::cli {

// A column: "params", or "latency@rtx4090".
struct SweepFigure {
  std::string name;
  std::string kind;
  std::string device;
  Unit unit = Unit::count;
  bool more_is_better = false;
};

// Computes points; many threads may ask one.
class SweepFigures {
 public:
  // Throws Error that names the place of a figure, a field or an option that does not exist.
  SweepFigures(SweepFile file, const SweepPlaces& places);

  [[nodiscard]] const Sweep& sweep() const { return file_.sweep; }
  [[nodiscard]] const std::vector<SweepFigure>& figures() const { return figures_; }
  // A point that cannot be built has no figures, and says why.
  [[nodiscard]] SweepRow row(std::uint64_t point) const;

 private:
  SweepFile file_;
  std::vector<Model> models_;
  std::vector<SweepFigure> figures_;
};

}  // namespace vitals::cli
