// Conditions of --fail-if: how they are read, and when they hold.
#include "report/budget.h"

#include "core/error.h"
#include "support/refusal.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitals;

namespace {

const std::vector<Quantity> kFigures = {{"params", Unit::count, 86567656},
                                        {"memory", Unit::bytes, 16.0 * (1 << 30)},
                                        {"latency", Unit::seconds, 0.005},
                                        {"fits", Unit::count, 0, true},
                                        {"roomy", Unit::count, std::nan(""), true}};

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

TEST_CASE("a fact is its name, or 'not' and its name") {
  CHECK(is_true("not fits"));
  CHECK(is_true(" not  fits "));
  CHECK_FALSE(is_true("fits"));
  CHECK(describe(parse_fail_condition("not fits", kFigures), kFigures) ==
        "not fits: fits is false");
  CHECK(fault("fits > 0") == "'fits > 0': fits is true or false; write 'fits' or 'not fits'");
  CHECK(fault("not params") == "'not params' is no condition; write one such as 'params > 90M'");
  CHECK(test::says(test::refusal([] { return is_true("not roomy"); }),
                   "no device was named whose memory is stated"));
}

TEST_CASE("bytes need a unit, for 16 is hardly ever meant as 16 bytes") {
  CHECK(fault("memory > 16") ==
        "'memory > 16': '16' has no unit: write 16GB (10^9 bytes) or 16GiB (2^30 bytes)");
  CHECK(is_true("memory > 0"));
  CHECK(is_true("memory > 16B"));
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
  CHECK(run("memory", "memory > 16").exit_code == 2);
  // No device is named, so nothing can be said of its memory.
  CHECK(run("memory", "not fits").exit_code == 1);
  const auto on = [](const std::string& batch, const std::string& condition) {
    return test::run({"memory", "vit_base_patch16_224", "--device", "rtx4090", "--batch", batch,
                      "--fail-if", condition});
  };
  CHECK(on("8", "not fits").exit_code == 0);
  CHECK(on("8", "fits").exit_code == 3);
  CHECK(on("8192", "not fits").exit_code == 3);
  CHECK(on("8192", "device_total > 24GiB").exit_code == 3);
  const auto predicted = test::run({"predict", "vit_base_patch16_224", "--device", "rtx4090",
                                    "--batch", "65536", "--fail-if", "not fits"});
  CHECK(predicted.exit_code == 3);
}
