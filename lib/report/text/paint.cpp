#include "report/text/paint.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace vitals {
namespace {

constexpr std::string_view kBold = "\033[1m";
constexpr std::string_view kDim = "\033[2m";
constexpr std::string_view kHot = "\033[1;31m";
constexpr std::string_view kWarm = "\033[33m";
constexpr std::string_view kPlain = "\033[0m";

// From these shares on, in percent, a part is where the cost is.
constexpr double kHotShare = 25;
constexpr double kWarmShare = 10;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

bool is_rule(std::string_view line) {
  const auto body = line.substr(0, line.find('\n'));
  return body.size() >= 3 && body.find_first_not_of("-=") == std::string_view::npos;
}

// Titles of columns: a few lines between a rule and the empty line, rule or beginning before them.
std::vector<bool> titles_among(const std::vector<std::string_view>& lines) {
  constexpr std::size_t kMostLines = 3;
  std::vector<bool> title(lines.size());
  std::size_t begin = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool rule = is_rule(lines[i]);
    if (rule && i - begin <= kMostLines)
      std::fill(title.begin() + static_cast<std::ptrdiff_t>(begin),
                title.begin() + static_cast<std::ptrdiff_t>(i), true);
    if (rule || lines[i] == "\n") begin = i + 1;
  }
  return title;
}

std::string styled(std::string_view style, std::string_view line) {
  const auto body = line.substr(0, line.find('\n'));
  return std::string(style) + std::string(body) + std::string(kPlain) +
         std::string(line.substr(body.size()));
}

// Behind the bar that follows a share at `at`, if one does: blanks and block characters, which are
// U+2588 to U+258F.
std::size_t behind_bar(std::string_view line, std::size_t at) {
  const auto bar = line.find_first_not_of(' ', at);
  auto end = bar;
  while (end != std::string_view::npos && line.substr(end, 2) == "\xE2\x96" &&
         end + 2 < line.size())
    end += 3;
  return end == bar ? at : end;
}

// "96.4 %" in a line, with its bar: a number, a blank, the sign.
std::string with_shares(std::string_view line) {
  std::string out;
  std::size_t done = 0;
  for (auto at = line.find(" %"); at != std::string_view::npos; at = line.find(" %", at + 2)) {
    const auto before = line.substr(0, at).find_last_not_of("0123456789.");
    const auto begin = before == std::string_view::npos ? 0 : before + 1;
    const bool share = begin < at && begin >= done && (begin == 0 || line[begin - 1] == ' ');
    const auto value =
        share ? std::strtod(std::string(line.substr(begin, at - begin)).c_str(), nullptr) : 0;
    if (value < kWarmShare || value > 100) continue;
    out += line.substr(done, begin - done);
    out += value >= kHotShare ? kHot : kWarm;
    done = behind_bar(line, at + 2);
    out += line.substr(begin, done - begin);
    out += kPlain;
  }
  return out + std::string(line.substr(done));
}

}  // namespace

std::string painted(const std::string& text) {
  const auto lines = lines_of(text);
  const auto title = titles_among(lines);
  std::string out;
  bool note = false;  // on folds; folded itself, it goes on to the end of its sentence
  for (std::size_t i = 0; i < lines.size(); ++i) {
    note = lines[i].starts_with("(Nx)") || (note && !lines[i - 1].ends_with(".\n"));
    if (note || is_rule(lines[i]))
      out += styled(kDim, lines[i]);
    else if (title[i])
      out += styled(kBold, lines[i]);
    else
      out += with_shares(lines[i]);
  }
  return out;
}

}  // namespace vitals
