// The programs of this suite find the machine's limits remembered, in a folder of the suite's own:
// to measure them is what the suite `machine` tests, takes a second each time beside other suites,
// and would write into the cache of whoever runs the tests.
#include "runtime/kernels/isa.h"
#include "runtime/measure/machine.h"
#include "support/temporary_folder.h"

#include <cstdlib>
#include <thread>

namespace vitals {
namespace {

struct RememberedLimits {
  RememberedLimits() {
    ::setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
    // Higher than any machine's, so that no measured op finds them too low.
    MachinePeaks peaks{cpu_name(), std::string(isa_name(best_isa())), 1, 3e4, 3e4, 1e3, false};
    const auto most = static_cast<int>(2 * std::thread::hardware_concurrency());
    for (peaks.threads = 1; peaks.threads <= most; ++peaks.threads)
      remember_peaks(*peaks_cache_file(), peaks);
  }
  test::TemporaryFolder folder;
};
const RememberedLimits remembered_limits;

}  // namespace
}  // namespace vitals
