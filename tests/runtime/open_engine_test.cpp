// What `auto` stands for, and what is said of engines before their times are trusted.
#include "runtime/open_engine.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

using namespace vitals;

namespace {

bool says_widened(Engine& engine, Element precision) {
  const auto sentences = cautions(engine, precision);
  return std::any_of(sentences.begin(), sentences.end(), [](const auto& sentence) {
    return sentence.find("multiplied as fp32") != std::string::npos;
  });
}

}  // namespace

// The suite is run again with these variables (tests/meson.build); what they ask for must be so.
TEST_CASE("the environment decides on instructions and libraries") {
  if (const char* isa = std::getenv("VITALS_ISA")) CHECK(std::string(isa_name(best_isa())) == isa);
  if (std::getenv("VITALS_TESTS_WITHOUT_ONEDNN") != nullptr) CHECK(other_backends().empty());
}

TEST_CASE("the fastest backend computes in the precision that it was asked for") {
  for (const auto precision : {Element::kF32, Element::kBf16}) {
    const auto engine = open_engine({.precision = precision, .threads = 1});
    CHECK(engine->backend().name == fastest_backend(precision).name);
  }
}

TEST_CASE("a caution says when our own kernels widen bf16, and not what a library does") {
  for_each_engine([](Engine& engine) {
    const bool own = engine.backend().name == "native";
    const auto isa = engine.table().isa;
    CAPTURE(engine.description());
    const bool pairs = isa == Isa::kAvx512Bf16 || isa == Isa::kAmx;  // VDPBF16PS, TDPBF16PS
    CHECK(says_widened(engine, Element::kBf16) == (own && !pairs));
    CHECK_FALSE(says_widened(engine, Element::kF32));
  });
}
