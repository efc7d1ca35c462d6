#include "core/text.h"

#include "core/error.h"

#include <doctest/doctest.h>

using namespace vitals;

TEST_CASE("what moves a cursor or reorders text is spelt out, all else stays") {
  CHECK(printable("a\033[31m\x7f") == "a\\x1b[31m\\x7f");
  CHECK(printable("one\ntwo\t") == "one\ntwo\\x09");
  CHECK(printable_line("one\ntwo") == "one\\x0atwo");
  CHECK(printable("\xc2\x85\xc2\x9b") == "\\u0085\\u009b");          // C1: NEL, CSI
  CHECK(printable("\xe2\x80\xae\xe2\x80\xa8") == "\\u202e\\u2028");  // RLO, line separator
  CHECK(printable("\xe2\x81\xa6") == "\\u2066");                     // an isolate
  CHECK(printable("\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80") ==
        "\xc3\xa9 \xe6\xa8\xa1 \xf0\x9f\x98\x80");
  CHECK(is_printable_line("\xc3\xa9"));
  CHECK_FALSE(is_printable_line("\xc2\x85"));
  CHECK_FALSE(is_printable_line("\n"));
}

// RFC 3629: overlong forms, surrogates and what is cut off are not UTF-8.
TEST_CASE("bytes that are not UTF-8 are spelt out") {
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("a\xc3") == "a\\xc3");
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("\xe0\x80\x9b") == "\\xe0\\x80\\x9b");
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK_FALSE(is_printable_line("\xff"));
}

TEST_CASE("a name in a message ends neither its line nor the terminal's colours") {
  std::string message;
  try {
    fail("{}: {} is wrong", std::string("a\n\033b"), 3);
  } catch (const Error& error) {
    message = error.within("c\nd").what();
  }
  CHECK(message == "c\\x0ad: a\\x0a\\x1bb: 3 is wrong");
}
