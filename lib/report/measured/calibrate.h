// `vitals bench --save-device`: what was measured beside what the fits predict. Formatting only.
#pragma once

#include "report/text/table.h"
#include "runtime/measure/calibrate.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

[[nodiscard]] Table calibration_table(const CalibratedMachine& machine);
[[nodiscard]] Table calibration_numbers(const CalibratedMachine& machine);
[[nodiscard]] nlohmann::ordered_json calibration_json(const CalibratedMachine& machine);

}  // namespace vitals
