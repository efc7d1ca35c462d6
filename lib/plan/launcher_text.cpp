#include "plan/launcher_text.h"

#include "core/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace vitals::plan {
namespace {

std::pair<std::string, std::string> sectioned(const std::string& key) {
  const auto dot = key.find('.');
  if (dot == std::string::npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

std::string json_of(const std::vector<ConfigPair>& pairs) {
  std::string text = "{";
  std::string section;
  bool first = true;
  const auto close = [&] {
    if (!section.empty()) text += "\n  }";
    section.clear();
  };
  for (const auto& [key, value] : pairs) {
    const auto [in, name] = sectioned(key);
    const bool same = !in.empty() && in == section;
    if (!same) close();
    text += first ? "\n" : ",\n";
    first = false;
    if (!same && !in.empty()) text += fmt::format("  \"{}\": {{\n", in);
    section = in;
    text += fmt::format("{}\"{}\": {}", in.empty() ? "  " : "    ", name, value);
  }
  close();
  return text + "\n}\n";
}

}  // namespace

std::string config_text(ConfigSyntax syntax, const std::vector<ConfigPair>& pairs,
                        const std::string& comment) {
  if (syntax == ConfigSyntax::json) return json_of(pairs);
  auto text = "# " + comment + "\n";
  std::string section;
  for (const auto& [key, value] : pairs) {
    const auto [in, name] = sectioned(key);
    const bool begins = in != section && !in.empty();
    section = in;
    switch (syntax) {
      case ConfigSyntax::toml:
        if (begins) text += fmt::format("\n[{}]\n", in);
        text += fmt::format("{} = {}\n", name, value);
        break;
      case ConfigSyntax::yaml:
        if (begins) text += in + ":\n";
        text += fmt::format("{}{}: {}\n", in.empty() ? "" : "  ", name, value);
        break;
      case ConfigSyntax::flags:
        text += value.empty() ? key + "\n" : fmt::format("{} {}\n", key, value);
        break;
      default:
        text += fmt::format("{}={}\n", key, value);
    }
  }
  return text;
}

std::vector<ConfigPair> config_pairs(ConfigSyntax syntax, const std::string& text) {
  std::vector<ConfigPair> pairs;
  std::string section;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto whole_line = text.substr(begin, end - begin);
    begin = end + 1;
    auto line = std::string(trimmed(whole_line));
    if (line.empty()) continue;
    const auto split_at = [&](char c, std::size_t from = 0) {
      const auto at = line.find(c, from);
      const auto key = std::string(trimmed(line.substr(0, at)));
      const auto value =
          at == std::string::npos ? std::string() : std::string(trimmed(line.substr(at + 1)));
      return ConfigPair(key, value);
    };
    switch (syntax) {
      case ConfigSyntax::toml:
        if (line.front() == '[') section = line.substr(1, line.find(']') - 1);
        if (line.front() == '[' || line.front() == '#') break;
        pairs.push_back(split_at('='));
        pairs.back().first = section + "." + pairs.back().first;
        break;
      case ConfigSyntax::yaml: {
        auto pair = split_at(':');
        const bool inside = whole_line.front() == ' ';
        if (!inside) section = pair.second.empty() ? pair.first : "";
        if (pair.second.empty()) break;
        if (inside) pair.first = section + "." + pair.first;
        pairs.push_back(std::move(pair));
        break;
      }
      case ConfigSyntax::flags:
        pairs.push_back(split_at(' ', line.starts_with("# ") ? 2 : 0));
        break;
      case ConfigSyntax::fields:
        pairs.push_back(split_at('='));
        break;
      case ConfigSyntax::json: {
        std::erase(line, '"');
        if (line.back() == ',') line.pop_back();
        auto pair = split_at(':');
        if (line == "{") break;
        if (line.front() == '}') {
          section.clear();
          break;
        }
        if (pair.second == "{") {
          section = pair.first;
          break;
        }
        if (!section.empty()) pair.first = section + "." + pair.first;
        pairs.push_back(std::move(pair));
      }
    }
  }
  return pairs;
}

}  // namespace vitals::plan
