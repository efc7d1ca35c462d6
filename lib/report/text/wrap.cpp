#include "report/text/wrap.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace vitals {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// As wcwidth() of M. Kuhn (https://www.cl.cam.ac.uk/~mgk25/ucs/wcwidth.c) has them: Unicode's
// nonspacing marks, as far as names use them, and East Asian wide characters (UAX #11).
constexpr Range kCombining[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
                                {0x0610, 0x061A}, {0x064B, 0x065F}, {0x200B, 0x200F},
                                {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
                           {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
                           {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                           {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

// Length in bytes and columns of the character that a text begins with.
struct Character {
  std::size_t bytes;
  std::size_t columns;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes == 1 || bytes > text.size()) return {1, 1};
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0U) != 0x80U) return {1, 1};
    code = code << 6U | (byte & 0x3FU);
  }
  const auto in = [code](const Range& r) { return r.first <= code && code <= r.last; };
  if (std::any_of(std::begin(kCombining), std::end(kCombining), in)) return {bytes, 0};
  return {bytes, std::any_of(std::begin(kWide), std::end(kWide), in) ? 2U : 1U};
}

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_lower(char c) { return 'a' <= c && c <= 'z'; }
bool is_upper(char c) { return 'A' <= c && c <= 'Z'; }

// Whether "12 " before this word belongs to it.
bool is_unit(std::string_view word) {
  constexpr std::array<std::string_view, 18> kUnits = {"%",   "k",   "M",   "G",   "T",   "P",
                                                       "E",   "B",   "KiB", "MiB", "GiB", "TiB",
                                                       "PiB", "EiB", "ms",  "µs",  "s",   "GB"};
  while (!word.empty() && std::string_view(".,;:)").find(word.back()) != std::string_view::npos)
    word.remove_suffix(1);
  return std::find(kUnits.begin(), kUnits.end(), word) != kUnits.end();
}

// A word: what stands between blanks, a number's unit included, with the blanks before it.
struct Word {
  std::size_t blanks;
  std::string_view text;
};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = std::min(text.find_first_not_of(' ', at), text.size());
    const auto end = std::min(text.find(' ', begin), text.size());
    const auto word = text.substr(begin, end - begin);
    const bool joins =
        !words.empty() && begin - at == 1 && is_digit(words.back().text.back()) && is_unit(word);
    if (joins)
      words.back().text = {words.back().text.data(), words.back().text.size() + 1 + word.size()};
    else if (!word.empty())
      words.push_back({begin - at, word});
    at = end;
  }
  return words;
}

// The parts of a word between which it may be broken: behind marks, and inside CamelCase.
std::vector<std::string_view> pieces_of(std::string_view word) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (std::size_t i = 1; i < word.size(); ++i) {
    const bool hump = i > 1 && i + 1 < word.size() && is_lower(word[i - 2]) &&
                      is_lower(word[i - 1]) && is_upper(word[i]) && is_lower(word[i + 1]);
    const bool mark = std::string_view(".,;:/_-=").find(word[i - 1]) != std::string_view::npos;
    const bool number = is_digit(word[i]) && word[i - 1] != '_' &&
                        (word[i - 1] == '-' || (i > 1 && is_digit(word[i - 2])));
    const bool orphan = word.size() - i < 3;  // the "s" of GFLOP/s
    if ((!hump && (!mark || number)) || orphan) continue;
    pieces.push_back(word.substr(begin, i - begin));
    begin = i;
  }
  pieces.push_back(word.substr(begin));
  return pieces;
}

class Folder {
 public:
  Folder(std::size_t width, std::size_t first, std::size_t next)
      : width_(width), next_(std::min(next, width / 2)), line_(std::min(first, width / 2), ' ') {
    used_ = line_.size();
  }

  void add(const Word& word) {
    const auto columns = columns_of(word.text);
    if (fits(gap(word) + columns)) return put(gap(word), word.text, columns);
    if (next_ + columns <= width_) {
      next_line();
      return put(0, word.text, columns);
    }
    auto blanks = gap(word);
    for (const auto piece : pieces_of(word.text)) {
      add_piece(piece, blanks);
      blanks = 0;
    }
  }

  std::vector<std::string> take() {
    lines_.push_back(std::move(line_));
    return std::move(lines_);
  }

 private:
  [[nodiscard]] bool fits(std::size_t columns) const { return used_ + columns <= width_; }
  [[nodiscard]] std::size_t gap(const Word& word) const { return empty_ ? 0 : word.blanks; }

  void put(std::size_t blanks, std::string_view text, std::size_t columns) {
    line_.append(blanks, ' ').append(text);
    used_ += blanks + columns;
    empty_ = false;
  }

  void next_line() {
    lines_.push_back(std::move(line_));
    line_.assign(next_, ' ');
    used_ = next_;
    empty_ = true;
  }

  void add_piece(std::string_view piece, std::size_t blanks) {
    auto columns = columns_of(piece);
    if (!empty_ && !fits(blanks + columns)) {
      next_line();
      blanks = 0;
    }
    if (fits(blanks + columns)) return put(blanks, piece, columns);
    while (!piece.empty()) {  // wider than a line: broken anywhere
      const auto c = first_character(piece);
      if (!fits(c.columns) && !empty_) next_line();
      put(0, piece.substr(0, c.bytes), c.columns);
      piece.remove_prefix(c.bytes);
    }
  }

  std::size_t width_;
  std::size_t next_;
  std::string line_;
  std::size_t used_ = 0;
  bool empty_ = true;
  std::vector<std::string> lines_;
};

std::size_t leading_blanks(std::string_view text) {
  return std::min(text.find_first_not_of(' '), text.size());
}

// Where the text behind a label begins: after the first two blanks or more inside the line.
std::size_t label_of(std::string_view line) {
  const auto gap = line.find("  ", leading_blanks(line));
  const auto text = line.find_first_not_of(' ', gap == std::string_view::npos ? line.size() : gap);
  return text == std::string_view::npos ? 0 : text;
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const auto c = first_character(text);
    columns += c.columns;
    text.remove_prefix(c.bytes);
  }
  return columns;
}

std::size_t longest_piece(std::string_view text) {
  std::size_t longest = 0;
  for (const auto& word : words_of(text))
    for (const auto piece : pieces_of(word.text)) longest = std::max(longest, columns_of(piece));
  return longest;
}

std::vector<std::string> folded(std::string_view text, std::size_t width, std::size_t hanging) {
  if (columns_of(text) <= width) return {std::string(text)};
  const auto indent = leading_blanks(text);
  Folder folder(width, indent, indent + hanging);
  for (const auto& word : words_of(text.substr(indent))) folder.add(word);
  return folder.take();
}

std::string wrapped(const std::string& text, std::size_t width) {
  if (width == 0) return text;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    const auto label = label_of(line);
    const auto hanging = label > leading_blanks(line) ? label - leading_blanks(line) : 0;
    for (const auto& part : folded(line, width, hanging)) out += part + '\n';
    at = end + 1;
  }
  if (!text.empty() && text.back() != '\n') out.pop_back();
  return out;
}

}  // namespace vitals
