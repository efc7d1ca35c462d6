#include "frontends/spec/json_text.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/checkpoint/safetensors.h"

#include <nlohmann/json.hpp>

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <vector>

namespace vitals {
namespace {

using nlohmann::json;

struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string_view text;  // the whole line
};

Position position_of(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  Position p;
  const auto before = text.substr(0, offset);
  p.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  const auto start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  p.column = offset - start + 1;
  p.text = text.substr(start, text.find('\n', start) - start);
  return p;
}

// The line with a caret below the column, cut to a readable width; control bytes are masked.
std::string shown(const Position& p) {
  constexpr std::size_t kWidth = 100;
  const auto from = p.column > kWidth ? p.column - kWidth / 2 : 0;
  std::string line(p.text.substr(from, kWidth));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = ' ';
  const auto caret = p.column - 1 >= from ? p.column - 1 - from : 0;
  return fmt::format("\n  {}\n  {}^", line, std::string(caret, ' '));
}

[[noreturn]] void fail_at(std::string_view text, const std::string& source, std::size_t offset,
                          const std::string& what) {
  const auto p = position_of(text, offset);
  throw Error(
      fmt::format("{}:{}:{}: {}{}", printable_line(source), p.line, p.column, what, shown(p)));
}

// nlohmann's message without its own header: "unexpected '}'; expected string literal".
std::string reason(std::string_view text) {
  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..."
  if (const auto end = text.find("] "); text.starts_with('[') && end != std::string_view::npos)
    text.remove_prefix(end + 2);
  const auto colon = text.find(": ");
  if (colon != std::string_view::npos) text.remove_prefix(colon + 2);
  for (const std::string_view head : {"syntax error while parsing ", "syntax error "}) {
    if (text.starts_with(head)) text.remove_prefix(head.size());
  }
  if (const auto dash = text.find(" - "); dash != std::string_view::npos)
    text.remove_prefix(dash + 3);
  // It quotes the text, which may hold anything and be long.
  std::string shown(text.substr(0, 200));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  return text.size() > shown.size() ? shown + "..." : shown;
}

// Reads the text and counts how far the parser has come.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, std::size_t* read) : at_(at), read_(read) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    ++at_;
    ++*read_;
    return *this;
  }
  friend bool operator==(const Cursor& a, const Cursor& b) { return a.at_ == b.at_; }
  friend bool operator!=(const Cursor& a, const Cursor& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  std::size_t* read_;
};

// A text in which Python's Infinity and NaN, which the json module of Python writes and JSON does
// not have, are zeros of the same length. `ends`: where they end.
struct FiniteText {
  std::string text;
  std::map<std::size_t, double> ends;
};

FiniteText with_finite_numbers(std::string_view text) {
  constexpr std::string_view kInfinity = "Infinity";
  constexpr std::string_view kNaN = "NaN";
  FiniteText finite{std::string(text), {}};
  const auto put_zero = [&](std::size_t at, std::size_t length, double value) {
    finite.text.replace(at, length, "0." + std::string(length - 2, '0'));
    finite.ends[at + length] = value;
  };
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++i;
    const char before = i > 0 ? text[i - 1] : ' ';
    if (quoted || std::isalnum(static_cast<unsigned char>(before)) != 0) continue;
    if (text.substr(i).starts_with(kInfinity))
      put_zero(i, kInfinity.size(), std::numeric_limits<double>::infinity());
    else if (text.substr(i).starts_with(kNaN) && before != '-')
      put_zero(i, kNaN.size(), std::numeric_limits<double>::quiet_NaN());
  }
  return finite;
}

// Makes a value of the parser's events, without nlohmann's parser callback: that one looks through
// the whole parent at the end of every object.
class Reader {
 public:
  Reader(std::string_view text, const std::string& source) : text_(text), source_(source) {
    if (text.find("Infinity") == std::string_view::npos &&
        text.find("NaN") == std::string_view::npos)
      return;
    finite_ = with_finite_numbers(text);
    text_ = finite_.text;
  }

  json read() {
    const auto* begin = text_.data();
    if (json::sax_parse(Cursor(begin, &read_), Cursor(begin + text_.size(), &read_), this))
      return std::move(root_);
    fail_not_json(text_, source_, error_byte_, error_text_);
  }

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) { return put(value); }
  bool number_float(double value, const std::string& digits) {
    // The parser has read one character further, unless there is none.
    const auto end = read_ == text_.size() && finite_.ends.contains(read_) ? read_ : read_ - 1;
    if (const auto it = finite_.ends.find(end); it != finite_.ends.end())
      value = digits.starts_with('-') ? -it->second : it->second;
    return put(value);
  }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(json::binary_t& value) { return put(std::move(value)); }

  bool start_object(std::size_t /*unused*/) { return open(json::object()); }
  bool start_array(std::size_t /*unused*/) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    auto& object = open_.back().value->get_ref<json::object_t&>();
    const auto [it, added] = object.try_emplace(name);
    open_.back().key = std::move(name);
    if (!added) {
      const auto p = position_of(text_, read_ - 1);
      fail("{}: {}: the key stands twice in one object (line {}, column {})", source_, path(),
           p.line, p.column);
    }
    member_ = &it->second;
    return true;
  }

  bool parse_error(std::size_t byte, const std::string& /*unused*/, const json::exception& error) {
    error_byte_ = byte;
    error_text_ = error.what();
    return false;
  }

 private:
  // An object or a list that has begun, and where in it the parser is.
  struct Level {
    json* value;
    std::string key;
  };

  template <class T>
  json& add(T&& value) {
    if (open_.empty()) return root_ = std::forward<T>(value);
    auto& parent = *open_.back().value;
    if (!parent.is_array()) return *member_ = std::forward<T>(value);
    auto& list = parent.get_ref<json::array_t&>();
    return list.emplace_back(std::forward<T>(value));
  }

  template <class T>
  bool put(T&& value) {
    add(std::forward<T>(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth))
      fail_at(text_, source_, read_ - 1,
              fmt::format("nested more than {} levels deep", kMaxJsonDepth));
    auto& value = add(std::move(container));
    open_.push_back({&value, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  [[nodiscard]] std::string path() const {
    std::string path;
    for (const auto& level : open_)
      path += "/" + (level.value->is_array() ? std::to_string(level.value->size() - 1) : level.key);
    return path;
  }

  FiniteText finite_;
  std::string_view text_;
  const std::string& source_;
  std::size_t read_ = 0;
  json root_;
  json* member_ = nullptr;  // what the last key names
  std::vector<Level> open_;
  std::size_t error_byte_ = 0;
  std::string error_text_;
};

}  // namespace

void fail_not_json(std::string_view text, const std::string& source, std::size_t byte,
                   std::string_view what) {
  fail_at(text, source, byte > 0 ? byte - 1 : 0, "not JSON: " + reason(what));
}

json parse_json(std::string_view text, const std::string& source, std::string_view expected) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    fail("{}: empty; expected {}", source, expected);
  // No text has a byte 0, and the parser takes it for the end.
  if (const auto zero = text.find('\0'); zero != std::string_view::npos)
    fail("{}: not JSON, but binary data{}; expected {}", source,
         begins_like_safetensors(text) ? ", which begins like a safetensors file that is cut off"
                                       : fmt::format(" (byte {} is zero)", zero),
         expected);
  return Reader(text, source).read();
}

std::string read_text(const std::string& path, std::size_t max_bytes) {
  std::string text;
  auto read = [&](std::istream& in) {
    std::vector<char> buffer(1U << 16U);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
      if (text.size() > max_bytes)
        fail("{}: larger than {} MiB; a spec or config is a small JSON file",
             path == "-" ? "standard input" : path, max_bytes >> 20U);
    }
  };
  if (path == "-") {
    read(std::cin);
    return text;
  }
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) fail("{}: is a directory", path);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("{}: cannot be read: {}", path, std::strerror(errno));
  read(file);
  return text;
}

std::string brief(const nlohmann::json& value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const auto number = value.get<double>();
    return std::isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity";
  }
  auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

}  // namespace vitals
