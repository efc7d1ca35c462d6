#include "version.h"

#include "build_info.h"
#include "commit.h"
#include "runtime/kernels/backend.h"

#include <fmt/format.h>

#include <vector>

namespace vitals::cli {

std::string version_number() { return VITALS_VERSION; }

std::string version() { return "vitals " + version_number(); }

namespace {

std::string backend_names() {
  std::vector<std::string> names;
  for (const auto& b : backends()) names.push_back(fmt::format("{} ({})", b.name, b.doc));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string version_report() {
  return version() + "\ncommit    " + VITALS_COMMIT + "\ncompiler  " + VITALS_COMPILER +
         "\nbackends  " + backend_names() + "\ncharts    " + VITALS_CHARTS;
}

}  // namespace vitals::cli
