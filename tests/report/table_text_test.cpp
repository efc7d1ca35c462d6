#include "report/text/table.h"
#include "report/text/wrap.h"
#include "support/lines.h"

#include <doctest/doctest.h>

namespace vitals {
namespace {

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (const auto& line : test::lines_of(text)) most = std::max(most, columns_of(line));
  return most;
}

const Table kTable{{{"module"}, {"what it is"}, {"bytes of weights", true}, kShareColumn},
                   {{"blocks.0.attn.qkv", "three projections, 1,234 x 2.5", "1,769,472", "100.0 %"},
                    {"  head", "\xC3\x97 nothing", "-", "25.0 %"},
                    {"", "", "768", "0.0 %"}},
                   {"A note below the table, longer than the table is wide, with 86.6 M in it."}};

TEST_CASE("a text takes the columns that Unicode gives its characters") {
  CHECK(columns_of("abc") == 3);
  CHECK(columns_of("2\xC3\x97 5as\xC2\xB2") == 7);     // 2x 5as2, with signs of two bytes
  CHECK(columns_of("\xE6\xA8\xA1\xE5\x9E\x8B") == 4);  // two wide ideographs
  CHECK(columns_of("e\xCC\x81") == 1);                 // e with a combining accent
  CHECK(columns_of("\xF0\x9F\x98\x80") == 2);          // an emoji
  CHECK(columns_of("\xFF"
                   "a\xC3") == 3);  // no UTF-8
}

TEST_CASE("texts break at blanks, then behind marks, and never in numbers") {
  using Lines = std::vector<std::string>;
  CHECK(folded("one two three", 8) == Lines{"one two", "three"});
  CHECK(folded("  blocks.0.attn.qkv", 12, 2) == Lines{"  blocks.0.", "    attn.qkv"});
  CHECK(folded("takes 330.2 MiB in all", 12) == Lines{"takes", "330.2 MiB in", "all"});
  CHECK(folded("1,769,472 = 3", 9) == Lines{"1,769,472", "= 3"});
  CHECK(folded("VisionTransformer", 12) == Lines{"Vision", "Transformer"});
  CHECK(folded("unbreakable", 6) == Lines{"unbrea", "kable"});
  CHECK(folded("\xC3\x97\xC3\x97\xC3\x97", 2) == Lines{"\xC3\x97\xC3\x97", "\xC3\x97"});
  CHECK(folded("", 8) == Lines{""});
  CHECK(longest_piece("scaled_dot_product_attention, 1,234,567 MiB") == 13);
  CHECK(wrapped("memory  one two three\n", 16) == "memory  one two\n        three\n");
  CHECK(wrapped("left as it is", 0) == "left as it is");
}

TEST_CASE("a table is as wide as it is where there is no limit") {
  const auto text = to_text(kTable);
  CHECK(test::lines_of(text)[2] ==
        "blocks.0.attn.qkv  three projections, 1,234 x 2.5         1,769,472  100.0 %");
  CHECK(text == to_text(kTable, {200, false}));
}

TEST_CASE("a folded table is never wider than asked, and has every number and word") {
  for (std::size_t width = 40; width < 90; ++width) {
    CAPTURE(width);
    const auto text = to_text(kTable, {width, false});
    CHECK(widest(text) <= width);
    for (const char* whole : {"1,769,472", "100.0 %", "25.0 %", "0.0 %", "768", "1,234", "2.5",
                              "86.6 M", "weights", "projections,", "\xC3\x97 nothing", "  head"})
      CHECK(text.find(whole) != std::string::npos);
  }
}

TEST_CASE("columns without a place follow below, beside those that name the rows") {
  Table table{{{"model"}, {"quantity"}}, {}, {}, 2};
  std::vector<std::string> row = {"vit", "MACs"};
  for (int i = 0; i < 6; ++i) {
    table.columns.push_back({"n" + std::to_string(i), true});
    row.push_back(std::to_string(i) + "00,000,000,000");
  }
  table.rows = {row};
  const auto lines = test::lines_of(to_text(table, {60, false}));
  REQUIRE(lines.size() == 11);
  CHECK(lines[0] == "model  quantity               n0               n1");
  CHECK(lines[6] == "vit    MACs      200,000,000,000  300,000,000,000");
  CHECK(lines[10] == "vit    MACs      400,000,000,000  500,000,000,000");
}

TEST_CASE("bars are as long as the shares, and stand only where there is room") {
  const auto lines = test::lines_of(to_text(kTable, {0, true}));
  CHECK(lines[0].ends_with("  share"));
  CHECK(lines[2].ends_with("100.0 % ██████████"));
  CHECK(lines[3].ends_with("25.0 % ██▌"));
  CHECK(lines[4].ends_with("0.0 %"));
  const auto natural = widest(to_text({kTable.columns, kTable.rows, {}}));
  CHECK(to_text(kTable, {natural + 4, true}) == to_text(kTable, {natural + 4, false}));
  CHECK(widest(to_text(kTable, {natural + 6, true})) == natural + 6);
}

}  // namespace
}  // namespace vitals
