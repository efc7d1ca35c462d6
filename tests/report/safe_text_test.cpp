#include "report/text/safe_text.h"

#include "report/page/html.h"
#include "report/text/table.h"
#include "support/lines.h"

#include <doctest/doctest.h>

using namespace vitals;

// OWASP, CSV Injection: = + - @ at the beginning of a cell.
TEST_CASE("a cell of CSV is no formula, and numbers stay numbers") {
  CHECK(csv_cell("=1+1") == "'=1+1");
  CHECK(csv_cell("@SUM(A1)") == "'@SUM(A1)");
  CHECK(csv_cell("+cmd") == "'+cmd");
  CHECK(csv_cell("-cmd,x") == "\"'-cmd,x\"");
  CHECK(csv_cell("-5") == "-5");
  CHECK(csv_cell("-1.5e-3") == "-1.5e-3");
  CHECK(csv_cell("+7") == "+7");
  CHECK(csv_cell("-") == "-");
  CHECK(csv_cell("a\nb\033") == "a\\x0ab\\x1b");
  CHECK(csv_cell("say \"x\"") == "\"say \"\"x\"\"\"");
}

TEST_CASE("Markdown shows a name and runs nothing of it") {
  CHECK(markdown_cell("a|b\\") == "a\\|b\\\\");
  CHECK(markdown_cell("a\nb") == "a\\\\x0ab");
  CHECK(safe_markdown("### <img src=x onerror=y> & [a](b)\n") ==
        "### &lt;img src=x onerror=y> &amp; [a]\\(b)\n");
  CHECK(safe_markdown("```\n<b>\n```\n<b>") == "```\n<b>\n```\n&lt;b>");
}

TEST_CASE("a name with line ends makes no row of a table") {
  const Table table{{{"module"}, {"n", true}}, {{"a\nb\033[2J", "1"}}, {}};
  CHECK(test::lines_of(to_text(table)).size() == 3);
  CHECK(test::lines_of(to_csv(table)).size() == 2);
  CHECK(test::lines_of(to_markdown(table)).size() == 3);
  for (const auto& text : {to_text(table), to_csv(table), to_markdown(table), to_html(table, {})})
    CHECK(text.find('\033') == std::string::npos);
}
