#include "support/run.h"

#include <doctest/doctest.h>

namespace vitals::test {
namespace {

TEST_CASE("progress is for a terminal's standard error, and leaves results alone" *
          doctest::skip(!has_terminals())) {
  const std::vector<std::string> bench = {"bench",      "vit_tiny_patch16_224",
                                          "--img-size", "64",
                                          "--batch",    "1,2",
                                          "--warmup",   "0",
                                          "--seconds",  "0.3"};
  const auto piped = run(bench);
  CHECK(piped.err.find("% done") == std::string::npos);
  const auto shown = run_on_terminal(bench, 100, {}, true);
  CHECK(shown.exit_code == 0);
  CHECK(shown.out.find("threads (2 of 2): ") != std::string::npos);
  CHECK(shown.out.find(" s left") != std::string::npos);
  // The line is wiped before the result stands there.
  const auto last = shown.out.rfind("% done");
  CHECK(shown.out.find("\x1B[K", last) < shown.out.find("samples/s", last));
}

}  // namespace
}  // namespace vitals::test
