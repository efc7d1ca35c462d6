// `vitals flops --explain PATH` in its forms.
#pragma once

#include "cost/explain.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

// "linear  rows x in x out = 197 x 768 x 2304 = 348,585,984 MACs"
[[nodiscard]] Table explain_table(const Explanation& explanation);

// The same as raw columns: quantity, part, formula, numbers, value, unit, source.
[[nodiscard]] Table explain_rows(const Explanation& explanation);

[[nodiscard]] nlohmann::ordered_json explain_json(const Explanation& explanation);

}  // namespace vitals
