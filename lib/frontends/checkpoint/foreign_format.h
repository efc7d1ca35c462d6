// Formats of weights that vitals does not read, told apart by their first bytes (and where those
// say nothing, by the file's name), and what to do about each.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vitals {

struct ForeignFormat {
  std::string_view what;  // "a PyTorch checkpoint (zip archive with pickles)"
  std::string_view mend;  // what to do instead
};

// `first_bytes`: at least the first 512 of the file, where it has so many.
[[nodiscard]] std::optional<ForeignFormat> foreign_format(std::string_view first_bytes,
                                                          std::string_view file_name);

}  // namespace vitals
