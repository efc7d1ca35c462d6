// Rows of a CSV file as training runs: the model's sizes, its layout and its device, by the columns
// that docs/plan.md lists. Knows no measurement and no formula.
#pragma once

#include "core/csv.h"
#include "plan/layout.h"

#include <string>

namespace vitals::plan {

struct PlannedRun {
  std::string id;
  std::string device;
  TrainedModel model;
  Layout layout;
};

// Columns that are missing, and empty cells, take their defaults. Throws Error that names the
// column and the cell.
[[nodiscard]] PlannedRun planned_run(const CsvTable& table, std::size_t row);

}  // namespace vitals::plan
