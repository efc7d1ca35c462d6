// `vitals bench` in its forms: one model's table, a sweep, two models side by side, JSON.
// Formatting only: every figure is in the results.
#pragma once

#include "report/text/table.h"
#include "runtime/measure/bench.h"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>
#include <vector>

namespace vitals {

// Where the time goes: a row for each op, alike ones of a stack of blocks summed in one, then what
// is left over and the total. Without `all`, ops that take no hundredth of the time are one row,
// and time stands alone, without work and traffic.
[[nodiscard]] Table bench_ops(const BenchResult& result, bool all);
// The same, one row an op, raw numbers.
[[nodiscard]] Table bench_ops_raw(const BenchResult& result);

// What was run, and what came out: lines above and below the table of ops.
[[nodiscard]] std::string bench_heading(const BenchResult& result);
[[nodiscard]] std::string bench_totals(const BenchResult& result, bool all);

// A row for each batch size and number of threads.
[[nodiscard]] Table bench_sweep(std::span<const BenchResult> results);
[[nodiscard]] Table bench_sweep_raw(std::span<const BenchResult> results);

// Two models on one machine: totals (as raw numbers, too), then the time by kind of op, then the
// difference in words.
[[nodiscard]] Table bench_comparison(const BenchResult& a, const BenchResult& b);
[[nodiscard]] Table bench_comparison_raw(const BenchResult& a, const BenchResult& b);
[[nodiscard]] Table bench_comparison_by_kind(const BenchResult& a, const BenchResult& b);

// How much longer `b` takes than `a`: median and interval of the ratios of neighbouring runs.
[[nodiscard]] nlohmann::ordered_json time_ratio_json(const BenchResult& a, const BenchResult& b);

[[nodiscard]] nlohmann::ordered_json bench_json(const BenchResult& result);

// Warnings of several results, each once.
[[nodiscard]] std::vector<std::string> bench_warnings(std::span<const BenchResult> results);

}  // namespace vitals
