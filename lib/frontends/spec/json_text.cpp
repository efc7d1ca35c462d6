#include "frontends/spec/json_text.h"

#include "core/error.h"
#include "frontends/checkpoint/safetensors.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
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
  fail("{}:{}:{}: {}{}", source, p.line, p.column, what, shown(p));
}

// nlohmann's message without its own header: "unexpected '}'; expected string literal".
std::string reason(std::string_view text) {
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

// Watches the nesting and the keys of every open object.
class Watcher {
 public:
  bool operator()(int depth, json::parse_event_t event, json& value) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= kMaxJsonDepth) {
      fault_ = fmt::format("nested more than {} levels deep", kMaxJsonDepth);
      throw Error(fault_);
    }
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        open_.push_back({event == json::parse_event_t::array_start, 0, {}, {}});
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        open_.pop_back();
        count_entry();
        break;
      case json::parse_event_t::value:
        count_entry();
        break;
      case json::parse_event_t::key:
        open_.back().key = value.get_ref<const std::string&>();
        if (!open_.back().keys.insert(open_.back().key).second)
          throw Error(fmt::format("{}: the key stands twice in one object", path()));
        break;
    }
    return true;
  }

 private:
  // An object or a list that has begun, and where in it the parser is.
  struct Level {
    bool list;
    std::size_t index;
    std::string key;
    std::set<std::string> keys;
  };

  void count_entry() {
    if (!open_.empty() && open_.back().list) ++open_.back().index;
  }

  [[nodiscard]] std::string path() const {
    std::string path;
    for (const auto& level : open_)
      path += "/" + (level.list ? std::to_string(level.index) : level.key);
    return path;
  }

  std::vector<Level> open_;
  std::string fault_;
};

}  // namespace

void fail_not_json(std::string_view text, const std::string& source, std::size_t byte,
                   std::string_view what) {
  fail_at(text, source, byte > 0 ? byte - 1 : 0, "not JSON: " + reason(what));
}

json parse_json(std::string_view text, const std::string& source, std::string_view expected) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    fail("{}: empty; expected {}", source, expected);
  try {
    return json::parse(text, Watcher{});
  } catch (const json::parse_error& error) {
    // No text has a byte 0, and no line of such a file could be shown.
    if (text.find('\0') != std::string_view::npos)
      fail("{}: not JSON, but binary data{}; expected {}", source,
           begins_like_safetensors(text) ? ", which begins like a safetensors file that is cut off"
                                         : "",
           expected);
    fail_not_json(text, source, error.byte, error.what());
  } catch (const json::exception& error) {
    fail("{}: not JSON: {}", source, error.what());
  } catch (const Error& error) {
    throw error.within(source);
  }
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
  auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

}  // namespace vitals
