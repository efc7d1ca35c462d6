#include "terminal.h"

#include "core/text.h"
#include "report/text/wrap.h"
#include "streams.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace vitals::cli {
namespace {

std::string_view set_to(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool to_terminal(const OutputOptions& options) {
  return options.file.empty() && ::isatty(STDOUT_FILENO) == 1;
}

// POSIX: the first of these that is set and not empty names the locale's characters.
bool utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = set_to(name);
    if (value.empty()) continue;
    for (const auto* form : {"UTF-8", "utf8", "UTF8", "utf-8"})
      if (value.find(form) != std::string_view::npos) return true;
    return false;
  }
  return false;
}

// Of the terminal that an output is; 0 where it is none.
std::size_t terminal_width(int output) {
  if (::isatty(output) != 1) return 0;
  const auto columns = set_to("COLUMNS");
  std::size_t width = 0;
  const auto* end = columns.data() + columns.size();
  const auto [stopped, code] = std::from_chars(columns.data(), end, width);
  if (code == std::errc() && stopped == end && width > 0) return width;
  winsize size{};
  return ::ioctl(output, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool is_dumb() { return set_to("TERM") == "dumb"; }

}  // namespace

bool colour(const OutputOptions& options) {
  if (options.color != "auto") return options.color == "always";
  return to_terminal(options) && set_to("NO_COLOR").empty() && !is_dumb();  // https://no-color.org
}

void tell(const std::string& message) {
  const auto width = terminal_width(STDERR_FILENO);
  const auto text =
      wrapped("vitals: " + printable(message), width == 0 ? 0 : std::max(width, kLeastWidth));
  write_err(text + "\n");
}

std::string config_file() {
  const auto folder = set_to("XDG_CONFIG_HOME");
  if (!folder.empty()) return std::string(folder) + "/vitals/config.toml";
  const auto home = set_to("HOME");
  return home.empty() ? "" : std::string(home) + "/.config/vitals/config.toml";
}

std::size_t reading_width() {
  constexpr std::size_t kReadable = 100;
  const auto width = terminal_width(STDOUT_FILENO);
  return width == 0 ? kReadable : std::clamp(width, kLeastWidth, kReadable);
}

TextLayout text_layout(const OutputOptions& options) {
  TextLayout layout;
  if (options.format != Format::table) return layout;
  if (options.width)
    layout.width = *options.width;
  else if (to_terminal(options))
    layout.width = terminal_width(STDOUT_FILENO);
  if (layout.width > 0) layout.width = std::max(layout.width, kLeastWidth);
  const bool bars = options.color == "auto" ? to_terminal(options) && !is_dumb() : colour(options);
  layout.bars = bars && utf8();
  return layout;
}

}  // namespace vitals::cli
