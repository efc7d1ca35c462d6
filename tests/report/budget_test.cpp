// Conditions of --fail-if: how they are read, and when they hold.
#include "report/budget.h"

#include "core/error.h"
#include "support/refusal.h"
#include "support/run.h"

#include <doctest/doctest.h>

using namespace vitals;

namespace {

const std::vector<Quantity> kFigures = {{"params", Unit::count, 86567656},
                                        {"memory", Unit::bytes, 16.0 * (1 << 30)},
                                        {"latency", Unit::seconds, 0.005}};

bool is_true(const std::string& text) {
  return holds(parse_fail_condition(text, kFigures), kFigures);
}

std::string fault(const std::string& text) {
  return test::refusal([&] { return parse_fail_condition(text, kFigures); });
}

}  // namespace

TEST_CASE("k, M and G are decimal, KiB, MiB and GiB binary") {
  CHECK(is_true("params > 86M"));
  CHECK_FALSE(is_true("params > 87M"));
  CHECK(is_true("params>86567655"));
  CHECK_FALSE(is_true("params > 86567656"));
  CHECK(is_true("params >= 86567656"));
  CHECK(is_true("params == 86567.656k"));
  CHECK(is_true("params < 0.1G"));
  CHECK_FALSE(is_true("memory > 16GiB"));
  CHECK(is_true("memory > 16GB"));
  CHECK(is_true("memory == 16384 MiB"));
  CHECK(is_true("latency <= 5ms"));
  CHECK_FALSE(is_true("latency > 5000us"));
  CHECK(is_true("latency != 6 ms"));
}

TEST_CASE("a condition that cannot be read says what is wrong with it") {
  CHECK(fault("params") == "'params' is no condition; write one such as 'params > 90M'");
  CHECK(fault("> 3") == "'> 3' is no condition; write one such as 'params > 90M'");
  CHECK(fault("parms > 3") == "'parms > 3': there is no figure 'parms'; did you mean 'params'?");
  CHECK(fault("params => 3") ==
        "'params => 3': there is no comparison '=>'; there is >, >=, <, <=, == and !=");
  CHECK(fault("params > 16GiB") ==
        "'params > 16GiB': '16GiB' is no limit for params; it takes a "
        "number, as it is or with k, M, G or T");
  CHECK(fault("latency > 5").find("a time in s, ms or us") != std::string::npos);
  CHECK(fault("memory > lots").find("'lots' is no limit for memory") != std::string::npos);
  CHECK(fault("memory > -1GB").find("is no limit for memory") != std::string::npos);
}

TEST_CASE("--fail-if prints the result, then exits 3 with the comparison when it is true") {
  const auto run = [](const std::string& command, const std::string& condition) {
    return test::run({command, "vit_base_patch16_224", "--fail-if", condition});
  };
  const auto broken = run("summary", "params > 86M");
  CHECK(broken.exit_code == 3);
  CHECK(broken.err == "vitals: params > 86M: params is 86,567,656\n");
  CHECK(broken.out == test::run({"summary", "vit_base_patch16_224"}).out);
  CHECK(run("summary", "params > 87M").exit_code == 0);
  CHECK(run("flops", "macs > 17.5G").exit_code == 3);
  CHECK(run("flops", "training_flops < 100G").exit_code == 0);
  CHECK(run("memory", "memory > 1GiB").exit_code == 3);
  CHECK(run("memory", "weights > 331MiB").exit_code == 0);
  CHECK(run("memory", "params > 90M").exit_code == 2);
}
