// What a subcommand takes, as data: its options, what their values are called, what they mean and
// where a value goes. Parsing, help, the manual page and completions all come from this one
// description. It knows neither models nor the library that parses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vitals::cli {

// What is wrong with a text, or nothing.
using Check = std::function<std::string(const std::string&)>;

// The options that were given, by their long names, each with its values.
struct Given {
  std::map<std::string, std::vector<std::string>> values;
  [[nodiscard]] bool has(const std::string& name) const { return values.count(name) > 0; }
};

struct Option {
  std::string names;  // "-o,--output"; without dashes it is a positional argument
  std::string value;  // what its value is called: N, FILE; empty for a flag
  std::string doc;
  Check store;  // puts one value where it belongs, or tells what is wrong with it
  std::string group = "Options";
  std::vector<std::string> choices = {};  // all values that there are, when they can be listed
  std::string initial = {};               // the value without the option, for the help
  std::string environment = {};           // a variable that gives the value where the line does not
  std::string needs = {};                 // another option that must be given with this one
  std::vector<std::string> unless = {};   // options beside which this one would change nothing
  // The files that a value names, where it names files to read; and whether it names one to write.
  std::function<std::vector<std::string>(const std::string&)> reads = {};
  bool writes = false;
  bool required = false;
  bool repeatable = false;
  std::size_t least = 1;  // values of a positional argument
  std::size_t most = 1;

  [[nodiscard]] bool positional() const { return names.front() != '-'; }
  // "--output" of "-o,--output"; a positional argument has one name.
  [[nodiscard]] std::string long_name() const { return names.substr(names.rfind(',') + 1); }
};

// Values that a count may take.
struct Bounds {
  std::uint64_t least = 1;
  std::uint64_t most = std::uint64_t{1} << 40;
};

// One subcommand. The adding functions bind an option to a variable, which must live as long as the
// command (`keep` holds it), and return the option for what is rarely needed.
struct Command {
  std::string name;
  std::string doc;
  std::string group = "Options";  // of the options that are added next
  std::vector<Option> options = {};
  std::vector<std::string> examples = {};
  // What is wrong with the options taken together, or nothing.
  std::function<std::string(const Given&)> check = {};
  std::function<void()> run = {};

  Option& add(std::string names, std::string value, std::string text, Check store);
  // Where the option `beside` is given, none of `others` changes anything: they are refused.
  void only(const std::string& beside, const std::vector<std::string>& others);
  Option& flag(std::string names, bool& target, std::string text);
  Option& text(std::string names, std::string& target, std::string value, std::string text,
               Check valid = {});
  Option& text(std::string names, std::optional<std::string>& target, std::string value,
               std::string text, Check valid = {});
  // Repeatable; with `comma`, each value is a list of texts with commas between them.
  Option& texts(std::string names, std::vector<std::string>& target, std::string value,
                std::string text, Check valid = {}, bool comma = false);
  Option& choice(std::string names, std::string& target, std::vector<std::string> choices,
                 std::string text);
  template <typename Enum>
  Option& choice(std::string names, Enum& target,
                 const std::vector<std::pair<std::string, Enum>>& values, std::string text);
  // Target: any unsigned integer type, or an optional of one.
  template <typename Target>
  Option& count(std::string names, Target& target, std::string text, Bounds bounds = {});
  template <typename Target>
  Option& counts(std::string names, std::vector<Target>& target, std::string text,
                 Bounds bounds = {});
};

struct Program {
  std::string name;
  std::string doc;
  std::string version;
  std::vector<Command> commands;
  std::vector<std::string> examples;
  std::size_t width = 80;  // columns of a help text
  // Defaults of options, in sections named after commands (TOML); empty: none.
  std::string config = {};
};

// Parses the arguments and runs the command that they name, or answers --help and --version.
// Returns the exit code: 0, or 2 for wrong usage, with a message on standard error. What the
// command throws passes through. A file that the command reads is not written to, and a place that
// cannot be written to is said before the command runs: both throw vitals::Error.
[[nodiscard]] int run(const Program& program, int argc, char** argv);

// `text` as a count; an empty optional and a message in `error` when it is none within the bounds.
[[nodiscard]] std::optional<std::uint64_t> parse_count(const std::string& text, Bounds bounds,
                                                       std::string& error);

// The parts of a text between commas.
[[nodiscard]] std::vector<std::string> split_commas(const std::string& text);

// --- Implementation of the templates. Their texts are moved on; clang-tidy 14 does not see that
// in a template.
// NOLINTBEGIN(performance-unnecessary-value-param)

template <typename T>
struct CountType {
  using type = T;
};
template <typename T>
struct CountType<std::optional<T>> {
  using type = T;
};

template <typename Target>
Option& Command::count(std::string names, Target& target, std::string text, Bounds bounds) {
  using Integer = typename CountType<Target>::type;
  bounds.most = std::min<std::uint64_t>(bounds.most, std::numeric_limits<Integer>::max());
  return add(std::move(names), "N", std::move(text), [&target, bounds](const std::string& value) {
    std::string error;
    if (const auto n = parse_count(value, bounds, error)) target = static_cast<Integer>(*n);
    return error;
  });
}

template <typename Target>
Option& Command::counts(std::string names, std::vector<Target>& target, std::string text,
                        Bounds bounds) {
  bounds.most = std::min<std::uint64_t>(bounds.most, std::numeric_limits<Target>::max());
  return add(std::move(names), "N,...", std::move(text),
             [&target, bounds](const std::string& value) {
               std::string error;
               target.clear();
               for (const auto& part : split_commas(value))
                 if (const auto n = parse_count(part, bounds, error))
                   target.push_back(static_cast<Target>(*n));
               return error;
             });
}

template <typename Enum>
Option& Command::choice(std::string names, Enum& target,
                        const std::vector<std::pair<std::string, Enum>>& values, std::string text) {
  std::vector<std::string> choices;
  for (const auto& value : values) choices.push_back(value.first);
  auto& option =
      add(std::move(names), "NAME", std::move(text), [&target, values](const std::string& given) {
        for (const auto& value : values)
          if (value.first == given) target = value.second;
        return std::string();
      });
  option.choices = std::move(choices);
  for (const auto& value : values)
    if (value.second == target) option.initial = value.first;
  return option;
}

// NOLINTEND(performance-unnecessary-value-param)

}  // namespace vitals::cli
