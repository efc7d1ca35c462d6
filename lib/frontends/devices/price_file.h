// The built-in price list of kernels (specs/prices.json, written by tools/calibrate/fit_prices and
// embedded in the program). Knows no formula.
#pragma once

#include "latency/prices/price_list.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals::prices {

// Read when first asked for.
[[nodiscard]] const PriceList& built_in();

// `at` is the place in messages. Throws Error.
[[nodiscard]] PriceList price_list_from(const nlohmann::json& value, const std::string& at);
[[nodiscard]] nlohmann::ordered_json to_json(const PriceList& list);

}  // namespace vitals::prices
