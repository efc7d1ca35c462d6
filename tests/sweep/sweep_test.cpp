// Points of a grid, shards, Pareto fronts, and the files of results.
#include "sweep/sweep.h"

#include "core/error.h"
#include "frontends/sweep/results.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

using namespace vitals;

namespace {

Sweep small_sweep() {
  return {{"a", "b"},
          {{"depth", false, {"1", "2", "3"}}, {"mode", true, {"\"x\"", "\"=y\""}}},
          {"params"}};
}

std::vector<SweepRow> all_rows(const Sweep& sweep) {
  std::vector<SweepRow> rows;
  for (std::uint64_t i = 0; i < sweep.points().value(); ++i)
    rows.push_back({i, {i == 2 ? "" : std::to_string(i * 10)}, i == 2 ? "no, \"never\"" : ""});
  return rows;
}

}  // namespace

TEST_CASE("the points of a grid are all combinations, each once") {
  const auto sweep = small_sweep();
  REQUIRE(sweep.points() == Count(12));
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto point = sweep_point(sweep, i);
    CHECK(seen.insert({point.model, point.values[0], point.values[1]}).second);
  }
  CHECK(sweep_point(sweep, 1).values == std::vector<std::size_t>{0, 1});
}

TEST_CASE("shards have each point once") {
  for (const std::uint64_t of : {1U, 3U, 7U, 20U}) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t k = 1; k <= of; ++k) {
      const Shard shard{k, of};
      for (std::uint64_t i = 0; i < shard.points(12); ++i)
        CHECK(seen.insert(shard.point(i)).second);
    }
    CHECK(seen.size() == 12);
    CHECK(*seen.rbegin() == 11);
  }
  for (const char* text : {"0/2", "3/2", "2", "1/", "/2", "a/b", "-1/2", ""})
    CHECK_THROWS_AS((void)parse_shard(text), Error);
}

TEST_CASE("a Pareto front keeps what nothing beats") {
  const double none = std::nan("");
  CHECK(pareto_front({{1, 5}, {2, 4}, {2, 5}, {3, 1}, {none, 0}, {1, 5}}) ==
        std::vector<std::size_t>{0, 1, 3, 5});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("rows that were written are read back, up to the last whole line") {
  const auto sweep = small_sweep();
  const auto rows = all_rows(sweep);
  for (const auto format : {RowFormat::csv, RowFormat::jsonl}) {
    auto text = header_text(sweep, format);
    for (const auto& row : rows) text += row_text(sweep, row, format);
    auto back = read_rows(text, sweep, format, "f");
    CHECK(back.rows == rows);
    CHECK(back.bytes == text.size());
    // Cut anywhere, the whole lines before the cut are there.
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
      back = read_rows(text.substr(0, cut), sweep, format, "f");
      CHECK(back.bytes <= cut);
      CHECK(back.rows ==
            std::vector<SweepRow>(rows.begin(),
                                  rows.begin() + static_cast<std::ptrdiff_t>(back.rows.size())));
    }
  }
}

TEST_CASE("rows of another sweep are found out") {
  const auto sweep = small_sweep();
  auto other = sweep;
  other.axes[0].values = {"1", "4", "3"};
  auto figures = sweep;
  figures.figures = {"macs"};
  for (const auto format : {RowFormat::csv, RowFormat::jsonl}) {
    auto text = header_text(sweep, format);
    for (const auto& row : all_rows(sweep)) text += row_text(sweep, row, format);
    CHECK_THROWS_AS((void)read_rows(text, other, format, "f"), Error);
    CHECK_THROWS_AS((void)read_rows(text, figures, format, "f"), Error);
  }
  CHECK_THROWS_AS((void)read_rows("a letter", sweep, RowFormat::csv, "f"), Error);
}

TEST_CASE("merged rows are complete, and counted once") {
  const auto sweep = small_sweep();
  const auto rows = all_rows(sweep);
  auto twice = rows;
  twice.insert(twice.end(), rows.rbegin(), rows.rend());
  CHECK(merged_rows(twice, sweep) == rows);
  auto missing = rows;
  missing.erase(missing.begin() + 4);
  CHECK_THROWS_WITH_AS((void)merged_rows(missing, sweep),
                       doctest::Contains("1 of 12 points are missing, the first is point 4"),
                       Error);
  twice.back().figures = {"7"};
  CHECK_THROWS_AS((void)merged_rows(twice, sweep), Error);
}
