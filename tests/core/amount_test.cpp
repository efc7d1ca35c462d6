#include "core/amount.h"

#include <doctest/doctest.h>

#include <string>

using namespace vitals;

namespace {

double value(std::string_view text, Unit unit) {
  const auto amount = parse_amount(text, unit);
  REQUIRE(amount);
  return amount->value;
}

}  // namespace

TEST_CASE("amounts are read with their units") {
  CHECK(value("300B", Unit::count) == 300e9);
  CHECK(value("1.4e12", Unit::count) == 1.4e12);
  CHECK(value("90m", Unit::count) == 90e6);
  CHECK(value(" 0 ", Unit::count) == 0);
  CHECK(value("2E", Unit::count) == 2e18);
  CHECK(value("16GiB", Unit::bytes) == 17179869184.0);
  CHECK(value("16 gb", Unit::bytes) == 16e9);
  CHECK(value("24G", Unit::bytes) == 24e9);
  CHECK(value("7b", Unit::bytes) == 7);
  CHECK(value("5ms", Unit::seconds) == doctest::Approx(5e-3));
  CHECK(value("1.5 s", Unit::seconds) == 1.5);
  CHECK(parse_amount("16GiB", Unit::bytes)->suffix);
  CHECK_FALSE(parse_amount("16", Unit::bytes)->suffix);
}

TEST_CASE("what is no amount is refused") {
  for (const char* text : {"", " ", "GiB", "-1", "-0", "nan", "inf", "1e999", "0x10", "1,5", "+1",
                           "16Gib/s", "1 2", "1e308P", "90Mi", "5ms"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_amount(text, Unit::count));
  }
  CHECK_FALSE(parse_amount("5", Unit::seconds));    // no unit
  CHECK_FALSE(parse_amount("5Ms", Unit::seconds));  // megaseconds
  CHECK_FALSE(parse_amount("5ms", Unit::bytes));
}
