#include "graph/checkpoint_keys.h"

#include <string_view>

namespace vitals {
namespace {

std::string_view next_part(std::string_view& text) {
  const auto dot = text.find('.');
  const auto part = text.substr(0, dot);
  text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  return part;
}

// `stars` are the parts that stars of the pattern stand for.
bool match(std::string_view pattern, std::string_view text, std::vector<std::string_view>& stars) {
  stars.clear();
  while (!pattern.empty() && !text.empty()) {
    const auto wanted = next_part(pattern);
    const auto part = next_part(text);
    if (wanted == "*")
      stars.push_back(part);
    else if (wanted != part)
      return false;
  }
  return pattern.empty() && text.empty();
}

std::string filled(std::string_view pattern, const std::vector<std::string_view>& stars) {
  std::string text;
  std::size_t star = 0;
  for (const char c : pattern) {
    if (c == '*' && star < stars.size())
      text += stars[star++];
    else
      text += c;
  }
  return text;
}

}  // namespace

bool key_matches(std::string_view pattern, std::string_view key) {
  std::vector<std::string_view> stars;
  return match(pattern, key, stars);
}

std::vector<std::string> stored_names(const KeyRule& rule, std::string_view key,
                                      std::uint64_t count) {
  std::vector<std::string_view> stars;
  if (!match(rule.trace, key, stars)) return {};
  std::vector<std::string> names;
  for (const auto& pattern : rule.stored) {
    const auto name = filled(pattern, stars);
    const auto index = name.find('#');
    if (index == std::string::npos) {
      names.push_back(name);
      continue;
    }
    for (std::uint64_t i = 0; i < count; ++i)
      names.push_back(name.substr(0, index) + std::to_string(i) + name.substr(index + 1));
  }
  return names;
}

std::vector<std::string> stored_names(const CheckpointKeys& keys, std::string_view key) {
  for (const auto& rule : keys.rules)
    if (auto names = stored_names(rule, key); !names.empty()) return names;
  return {};
}

}  // namespace vitals
