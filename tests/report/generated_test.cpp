// What must hold of every model, tried on generated ones: specs of each architecture with some
// fields changed at random. Most are refused, as they should be; of those that are accepted enough
// remain.
#include "core/text.h"
#include "cost/rollup.h"
#include "frontends/spec/spec.h"
#include "memory/estimate.h"
#include "report/summary.h"
#include "support/json.h"
#include "support/lines.h"
#include "support/model.h"
#include "support/sums.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <sstream>

using namespace vitals;
using nlohmann::json;

namespace {

using Random = std::mt19937;

json changed(const json& value, const Field& field, Random& random) {
  const auto any = [&](const std::vector<json>& values) {
    return values[random() % values.size()];
  };
  if (!field.choices.empty()) return std::string(field.choices[random() % field.choices.size()]);
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number_integer()) {
    const auto n = value.get<std::uint64_t>();
    return any({0, 1, 2, 3, 4, 8, 12, n / 2, n + 1, 2 * n});
  }
  if (value.is_number()) return any({0.0, 0.1, 0.5, 1.0, 2.5});
  if (value.is_null()) return any({1, 2, 4, true, 0.25, nullptr});
  return value;
}

// A model of few layers, or nothing where the changes do not go together.
std::optional<Model> generated(const Architecture& a, Random& random) {
  json spec = spec_of(Model{"generated", &a, a.make(), {}, nullptr});
  for (const auto& [key, value] : spec.items())
    if (key.find("depth") != std::string::npos || key.find("layers") != std::string::npos)
      spec[key] = value.is_array()             ? json(std::vector<int>(value.size(), 2))
                  : value.is_number_unsigned() ? json(1 + random() % 3)
                                               : value;
  for (auto changes = random() % 5; changes > 0; --changes) {
    const auto& field = a.fields[random() % a.fields.size()];
    auto& value = spec[std::string(field.name)];
    value = changed(value, field, random);
  }
  try {
    return model_from_spec(spec, "generated", "generated");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Calls check(model, graph) with some models of every architecture.
void for_generated(const std::function<void(const Model&, const Graph&)>& check) {
  constexpr int kTries = 120;
  constexpr int kEnough = 10;
  for (const auto& a : architectures()) {
    CAPTURE(a.name);
    Random random(7);
    int built = 0;
    for (int i = 0; i < kTries; ++i) {
      const auto model = generated(a, random);
      if (!model) continue;
      std::optional<Graph> graph;
      try {
        graph = model->build({.max_ops = 3000});
      } catch (const Error&) {
        continue;
      }
      ++built;
      CAPTURE(test::dumped(spec_of(*model)));
      check(*model, *graph);
    }
    CHECK(built >= kEnough);
  }
}

// The cells of a line of Markdown.
std::vector<std::string> markdown_cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) cells.emplace_back(trimmed(cell));
  return cells;
}

}  // namespace

TEST_CASE("a generated model's own spec is the same model") {
  for_generated([](const Model& model, const Graph&) {
    const auto spec = spec_of(model);
    CHECK(test::dumped(spec_of(model_from_spec(spec, "its own spec", ""))) == test::dumped(spec));
  });
}

TEST_CASE("of generated models children sum to their parents, in every quantity") {
  for_generated([](const Model& model, const Graph& graph) {
    CHECK_FALSE(test::unbalanced(graph, parameters(graph)));
    CHECK_FALSE(test::unbalanced(graph, macs_by_module(graph)));
    CHECK_FALSE(test::unbalanced(graph, stored_bytes(graph)));
    BuildOptions build;
    build.batch = 2;
    build.training = true;
    const auto training = model.build(build);
    MemoryOptions options;
    options.precision = precision("amp");
    options.optimizer = optimizer("adamw");
    options.composition = false;
    const auto memory = estimate_memory(training, options);
    CHECK_FALSE(test::unbalanced(training, memory.activations.by_module));
    // The batch is there too, whether autograd keeps it or only a copy in 16 bits.
    CHECK(memory.peak.bytes <= memory.bytes.total() + memory.activations.input);
    CHECK(memory.peak.bytes >= memory.bytes.weights);
  });
}

TEST_CASE("of generated models every sample adds the same MACs, and parameters do not change") {
  for_generated([](const Model& model, const Graph& one) {
    // It compares every image with every text.
    if (model.architecture->name == "dual_encoder") return;
    const auto two = model.build({.batch = 2});
    const auto three = model.build({.batch = 3});
    CHECK(parameters(two).sum() == parameters(one).sum());
    const auto first = macs_by_module(one).sum();
    const auto second = macs_by_module(two).sum();
    CHECK(macs_by_module(three).sum() - second == second - first);
  });
}

TEST_CASE("of generated models JSON, CSV, Markdown and text carry the same numbers") {
  for_generated([](const Model&, const Graph& graph) {
    const auto table = summary_layers(graph);
    const auto report = summary_json(graph);
    const auto markdown = test::lines_of(to_markdown(table));
    const auto text = test::lines_of(to_text(table));
    const auto csv = test::lines_of(to_csv(table));
    REQUIRE(markdown.size() == table.rows.size() + 2);
    REQUIRE(text.size() == table.rows.size() + 2);
    REQUIRE(csv.size() == table.rows.size() + 1);
    std::uint64_t params = 0;
    std::uint64_t macs = 0;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const auto& row = table.rows[i];
      CHECK(markdown_cells(markdown[i + 2]) == row);
      CHECK(csv[i + 1].ends_with("," + row[3] + "," + row[4]));
      const auto& line = text[i + 2];
      CHECK(std::all_of(row.begin(), row.end(), [&](const std::string& cell) {
        return line.find(cell) != std::string::npos;
      }));
      params += std::stoull(row[3]);
      macs += std::stoull(row[4]);
    }
    CHECK(report["totals"]["params"] == params);
    CHECK(report["totals"]["macs"] == macs);
  });
}
