// What a file stores of a model's parameters, as columns of a module tree, as a line and as JSON.
#pragma once

#include "cost/rollup.h"
#include "graph/stored_weights.h"
#include "report/module_table.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitals {

// The formats and bytes of every module. Must outlive the columns that it gives.
class StoredColumns {
 public:
  StoredColumns(const Graph& graph, const StoredWeights& stored);

  // By ModuleId: the formats of the module's own parameters, "Q4_K + F32".
  [[nodiscard]] const std::vector<std::string>& marks() const { return marks_; }
  [[nodiscard]] const Rollup& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<ModuleColumn> columns() const;

 private:
  std::vector<Count> by_param_;
  std::vector<std::string> marks_;
  Rollup bytes_;
};

// "Q4_K 3.40 GiB, Q6_K 1.17 GiB, ...", the largest first.
[[nodiscard]] std::string format_list(const StoredWeights& stored);

// "Stored weights: 4.58 GiB (4.89 bits a parameter): Q4_K 3.40 GiB, ..."
[[nodiscard]] std::string stored_line(const Graph& graph, const StoredWeights& stored);

[[nodiscard]] nlohmann::ordered_json stored_json(const StoredWeights& stored);

}  // namespace vitals
