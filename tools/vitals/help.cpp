#include "help.h"

#include "report/text/wrap.h"

#include <fmt/format.h>

#include <algorithm>

namespace vitals::cli {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kMostTerm = 28;  // what is longer has its text on the next line

// "  --depth N    Levels of the tree to show", the texts of all lines below each other.
std::string definition(const std::string& term, const std::string& text, std::size_t column,
                       std::size_t width) {
  const bool beside = kIndent + term.size() + 2 <= column;
  auto out = fmt::format("{:{}}{:{}}", "", kIndent, term, beside ? column - kIndent : 0);
  if (!beside) out += '\n';
  bool first = beside;
  for (const auto& line : folded(text, width - column)) {
    out += (first ? "" : std::string(column, ' ')) + line + '\n';
    first = false;
  }
  return out;
}

// A command line, broken as a shell takes it.
std::string example_text(const std::string& example, std::size_t width) {
  const auto lines = folded(std::string(kIndent, ' ') + example, width - 2, 4);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i)
    text += lines[i] + (i + 1 < lines.size() ? " \\\n" : "\n");
  return text;
}

std::string examples_text(const std::vector<std::string>& examples, std::size_t width) {
  std::string text = examples.empty() ? "" : "\nExamples:\n";
  for (const auto& example : examples) text += example_text(example, width);
  return text;
}

// In order of their first option; those that have no other name come first.
std::vector<std::string> groups_of(const Command& command) {
  std::vector<std::string> groups = {Option{}.group};
  for (const auto& o : command.options)
    if (std::find(groups.begin(), groups.end(), o.group) == groups.end()) groups.push_back(o.group);
  return groups;
}

std::size_t text_column(const std::vector<std::string>& terms) {
  std::size_t longest = 0;
  for (const auto& term : terms) longest = std::max(longest, std::min(term.size(), kMostTerm));
  return kIndent + longest + 2;
}

}  // namespace

std::string synopsis(const Program& program, const Command& c) {
  auto text = program.name + " " + c.name + " [OPTIONS]";
  for (const auto& o : c.options)
    if (o.positional())
      text += (o.required ? " " + o.value : " [" + o.value + "]") + (o.most > 1 ? "..." : "");
  return text;
}

std::string spelled(const Option& o) {
  if (o.positional()) return o.value;
  std::string names = o.names;
  for (auto at = names.find(','); at != std::string::npos; at = names.find(',', at + 2))
    names.replace(at, 1, ", ");
  return o.value.empty() ? names : names + " " + o.value;
}

std::string explained(const Option& o) {
  auto text = o.doc;
  if (!o.initial.empty()) text += fmt::format(" (default: {})", o.initial);
  if (!o.environment.empty()) text += fmt::format(" (or {})", o.environment);
  if (!o.needs.empty()) text += fmt::format(" (with {})", o.needs);
  if (!o.unless.empty()) text += fmt::format(" (not with {})", fmt::join(o.unless, ", "));
  return text;
}

std::string help_text(const Program& p) {
  auto text =
      wrapped(fmt::format("{}\n\nUsage: {} COMMAND ...\n\nCommands:\n", p.doc, p.name), p.width);
  std::vector<std::string> names;
  for (const auto& c : p.commands) names.push_back(c.name);
  for (const auto& c : p.commands) text += definition(c.name, c.doc, text_column(names), p.width);
  text += "\nOptions:\n" +
          definition("-h, --help", "This text; after a command, its options", 17, p.width);
  text += definition("-V, --version", "Version, commit, compiler and backends", 17, p.width);
  return text + examples_text(p.examples, p.width);
}

std::string help_text(const Program& p, const Command& c) {
  std::vector<std::string> terms;
  for (const auto& o : c.options) terms.push_back(spelled(o));
  const auto column = text_column(terms);
  auto text = wrapped(fmt::format("{}\n\nUsage: {}\n", c.doc, synopsis(p, c)), p.width);
  const auto write = [&](const std::string& title, auto&& chosen) {
    std::string lines;
    for (const auto& o : c.options)
      if (chosen(o)) lines += definition(spelled(o), explained(o), column, p.width);
    if (!lines.empty()) text += "\n" + title + lines;
  };
  write("", [](const Option& o) { return o.positional(); });
  for (const auto& group : groups_of(c))
    write(group + ":\n", [&](const Option& o) { return !o.positional() && o.group == group; });
  return text + examples_text(c.examples, p.width);
}

}  // namespace vitals::cli
