#include "report/page/html.h"

#include "core/text.h"

#include <fmt/core.h>

namespace vitals {

std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  return escaped;
}

std::string json_in_script(std::string json) {
  // "<" appears in strings only, where JSON allows the escape.
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos;)
    json.replace(at, 1, "\\u003c");
  return json;
}

std::string to_html(const Table& table, const HtmlTable& options) {
  const auto side = [&](std::size_t i) {
    return table.columns[i].right ? R"( class="right")" : "";
  };
  auto text = fmt::format(R"(<div class="scroll{}" tabindex="0"><table id="{}"{}>)",
                          options.tall ? " tall" : "", html_text(options.id),
                          options.sortable ? " data-sortable" : "");
  if (!options.caption.empty()) text += "<caption>" + html_text(options.caption) + "</caption>";
  text += "<thead><tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    text += fmt::format(R"(<th scope="col"{}>{}</th>)", side(i), html_text(table.columns[i].title));
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      text += fmt::format("<td{}>{}</td>", side(i), html_text(row[i]));
    text += "</tr>\n";
  }
  text += "</tbody></table></div>\n";
  for (const auto& note : table.notes) text += R"(<p class="quiet">)" + html_text(note) + "</p>\n";
  return text;
}

}  // namespace vitals
