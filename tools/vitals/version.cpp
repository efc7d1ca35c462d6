#include "version.h"

#include "build_info.h"
#include "commit.h"
#include "machine.h"

namespace vitals::cli {

std::string version_number() { return VITALS_VERSION; }

std::string version() { return "vitals " + version_number(); }

std::string version_report() {
  return version() + "\ncommit    " + VITALS_COMMIT + "\ncompiler  " + VITALS_COMPILER +
         "\nbackends  " + backend_names() + "\ncharts    " + VITALS_CHARTS;
}

}  // namespace vitals::cli
