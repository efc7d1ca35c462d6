// Tables with a row a family, found by the family's name (`naming`). Knows no table of its own.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace vitals {

// Null when there is none of that name.
template <typename Row, std::size_t Rows>
[[nodiscard]] const Row* find_naming(const Row (&rows)[Rows], std::string_view naming) {
  for (const auto& row : rows)
    if (row.naming == naming) return &row;
  return nullptr;
}

template <typename Row, std::size_t Rows>
[[nodiscard]] std::vector<std::string_view> namings_of(const Row (&rows)[Rows]) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.naming);
  return names;
}

}  // namespace vitals
