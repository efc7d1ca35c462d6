// What this program is: its version, and what it was built from and with.
#pragma once

#include <string>

namespace vitals::cli {

[[nodiscard]] std::string version_number();  // "0.1.0"
[[nodiscard]] std::string version();         // "vitals 0.1.0"
[[nodiscard]] std::string version_report();  // the same with commit, compiler and backends

}  // namespace vitals::cli
