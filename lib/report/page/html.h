// Pieces of an HTML page: escaped text and tables. Formatting only.
#pragma once

#include "report/text/table.h"

#include <string>
#include <string_view>

namespace vitals {

// Text as it may stand in an element or in a quoted attribute.
[[nodiscard]] std::string html_text(std::string_view text);

// JSON as it may stand in a <script> element: no "</script>" can come out of it.
[[nodiscard]] std::string json_in_script(std::string json);

struct HtmlTable {
  std::string id;
  std::string caption;
  bool sortable = false;
  bool tall = false;  // scrolls within a fixed height
};

// The fourth form of a table, beside text, CSV and Markdown; notes become a paragraph.
[[nodiscard]] std::string to_html(const Table& table, const HtmlTable& options);

}  // namespace vitals
