#include "command_line.h"

#include "core/error.h"
#include "core/file.h"
#include "core/suggest.h"
#include "core/text.h"
#include "help.h"
#include "streams.h"

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace vitals::cli {
namespace {

std::string none_of(const std::string& given, const std::vector<std::string>& choices) {
  const auto hint = did_you_mean(given, choices);
  if (!hint.empty()) return fmt::format("there is no '{}'{}", given, hint);
  return fmt::format("there is no '{}'; there is {}", given, fmt::join(choices, ", "));
}

void add_option(CLI::App& app, const Option& o) {
  if (o.value.empty()) {
    app.add_flag_callback(
           o.names, [&o] { (void)o.store(""); }, o.doc)
        ->group(o.group);
    return;
  }
  const auto store = [&o](const std::vector<std::string>& values) {
    for (const auto& value : values) {
      const bool known = o.choices.empty() ||
                         std::find(o.choices.begin(), o.choices.end(), value) != o.choices.end();
      const auto error = known ? o.store(value) : none_of(value, o.choices);
      if (!error.empty()) throw CLI::ValidationError(o.positional() ? o.value : o.names, error);
    }
  };
  auto* option = app.add_option_function<std::vector<std::string>>(o.names, store, o.doc)
                     ->type_name(o.value)
                     ->group(o.positional() ? "Positionals" : o.group)
                     ->expected(static_cast<int>(o.least), static_cast<int>(o.most))
                     ->required(o.required);
  // An option takes one value and no more: the MODEL may stand behind it. What a positional
  // argument does not take goes to the next one.
  option->allow_extra_args(o.positional() && o.most > 1);
  if (o.repeatable && !o.positional()) option->take_all();
  if (!o.initial.empty()) option->default_str(o.initial);
  if (!o.environment.empty()) option->envname(o.environment);
}

Given given_options(const CLI::App& app, const Command& command) {
  Given given;
  for (const auto& option : command.options)
    if (const auto* found = app.get_option(option.long_name()); found->count() > 0)
      given.values[option.long_name()] = found->results();
  return given;
}

// The first rule between options that what was given breaks.
std::string broken_rule(const Command& command, const Given& given) {
  for (const auto& o : command.options) {
    const auto name = o.long_name();
    if (!given.has(name)) continue;
    if (!o.needs.empty() && !given.has(o.needs))
      return fmt::format("{} requires {}", name, o.needs);
    for (const auto& other : o.unless)
      if (given.has(other))
        return fmt::format("{} changes nothing beside {}", o.positional() ? o.value : name, other);
  }
  std::size_t dashes = 0;
  for (const auto& o : command.options)
    if (o.positional() && given.has(o.names))
      for (const auto& value : given.values.at(o.names)) dashes += value == "-" ? 1 : 0;
  if (dashes > 1) return "- is standard input, which can be read once";
  return command.check ? command.check(given) : "";
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code code;
  return std::filesystem::is_regular_file(a, code) && std::filesystem::equivalent(a, b, code);
}

// Throws where a file is named as input and as output, and where an output has no place.
void check_files(const Command& command, const Given& given) {
  std::vector<std::string> inputs;
  for (const auto& o : command.options)
    if (o.reads && given.has(o.long_name()))
      for (const auto& value : given.values.at(o.long_name()))
        for (auto& file : o.reads(value)) inputs.push_back(std::move(file));
  std::vector<std::string> outputs;
  for (const auto& o : command.options) {
    if (!o.writes || !given.has(o.long_name())) continue;
    for (const auto& output : given.values.at(o.long_name())) {
      if (output == "-") continue;
      if (std::find(outputs.begin(), outputs.end(), output) != outputs.end())
        fail("{} {}: two outputs cannot be one file", o.long_name(), output);
      outputs.push_back(output);
      for (const auto& input : inputs)
        if (is_same_file(input, output))
          fail("{} {}: is an input of this command, and would be lost; write to another file",
               o.long_name(), output);
      check_writable(output);
    }
  }
}

void add_command(CLI::App& app, const Program& program, const Command& command,
                 const std::function<void(const Given&)>& chosen) {
  auto* sub = app.add_subcommand(command.name, command.doc);
  sub->set_version_flag("-V,--version", program.version);
  for (const auto& option : command.options) add_option(*sub, option);
  sub->callback([&command, chosen, sub] {
    const auto given = given_options(*sub, command);
    if (const auto error = broken_rule(command, given); !error.empty())
      throw CLI::ValidationError(error);
    chosen(given);
  });
}

const Command* find(const Program& program, const std::string& name) {
  for (const auto& command : program.commands)
    if (command.name == name) return &command;
  return nullptr;
}

// The names behind dashes; without a command, those of the program.
std::vector<std::string> option_names(const Command* command) {
  std::vector<std::string> names = {"-h", "--help", "-V", "--version"};
  if (command == nullptr) return names;
  for (const auto& option : command->options)
    if (!option.positional())
      for (auto& name : split_commas(option.names)) names.push_back(std::move(name));
  return names;
}

// "-b" is near to no name, but perhaps short for one.
std::string meant_by(const std::string& given, const std::vector<std::string>& names) {
  if (given.starts_with("--")) return did_you_mean(given, names);
  for (const auto& name : names)
    if (name.starts_with("-" + given)) return fmt::format("; did you mean '{}'?", name);
  return "";
}

// An option among the arguments that there is not, with the name that was probably meant: the mend
// of a misspelt option, where CLI11 would complain about its value.
std::string unknown_option(const Command* command, int argc, char** argv) {
  const auto names = option_names(command);
  for (int i = command == nullptr ? 1 : 2; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string argument = argv[i];
    const bool is_long = argument.starts_with("--");
    const bool is_short = !is_long && argument.size() > 1 && argument[0] == '-' &&
                          std::isalpha(static_cast<unsigned char>(argument[1])) != 0;
    if (!is_long && !is_short) continue;
    const auto name = is_long ? argument.substr(0, argument.find('=')) : argument.substr(0, 2);
    if (std::find(names.begin(), names.end(), name) == names.end())
      return fmt::format("there is no option '{}'{}", name, meant_by(name, names));
  }
  return "";
}

std::string unknown_command(const Program& program, const char* name) {
  if (name[0] == '-') return "";
  std::vector<std::string> names;
  for (const auto& command : program.commands) names.push_back(command.name);
  return "there is no command" + none_of(name, names).substr(std::strlen("there is no"));
}

// What is missing, in the words of the help.
std::string missing(const Command& command, const std::string& message) {
  for (const auto& o : command.options) {
    const auto name = o.long_name();
    if (o.positional() && message == name + " is required") return o.value + " is required";
    if (!message.starts_with(name + ":") || message.find(" required") == std::string::npos)
      continue;
    if (message.find("At Most") != std::string::npos) return name + " is given more than once";
    return o.positional() ? fmt::format("{} {}s are required", o.least, o.value)
                          : fmt::format("{} needs a value: {}", name, o.value);
  }
  return message;
}

int usage_error(const Program& program, int argc, char** argv, const CLI::ParseError& error) {
  if (argc < 2) {  // someone who looks what there is
    write_err(fmt::format("{}: COMMAND is required\n\n{}", program.name, help_text(program)));
    return 2;
  }
  const auto* command = find(program, argv[1]);
  const auto name = command == nullptr ? program.name : program.name + " " + command->name;
  auto message = command == nullptr ? unknown_command(program, argv[1]) : "";
  if (message.empty()) message = unknown_option(command, argc, argv);
  if (message.empty())
    message = command == nullptr ? error.what() : missing(*command, error.what());
  write_err(
      fmt::format("{}: {}\nRun `{} --help` for the options.\n", name, printable(message), name));
  return 2;
}

}  // namespace

void Command::only(const std::string& beside, const std::vector<std::string>& others) {
  for (auto& option : options)
    if (std::find(others.begin(), others.end(), option.long_name()) != others.end())
      option.unless.push_back(beside);
}

Option& Command::add(std::string names, std::string value, std::string text, Check store) {
  Option option{std::move(names), std::move(value), std::move(text), std::move(store), group};
  return options.emplace_back(std::move(option));
}

Option& Command::flag(std::string names, bool& target, std::string text) {
  return add(std::move(names), "", std::move(text), [&target](const std::string&) {
    target = true;
    return std::string();
  });
}

Option& Command::text(std::string names, std::string& target, std::string value, std::string text,
                      Check valid) {
  auto& option = add(std::move(names), std::move(value), std::move(text),
                     [&target, valid = std::move(valid)](const std::string& given) {
                       target = given;
                       return valid ? valid(given) : std::string();
                     });
  option.initial = target;
  return option;
}

Option& Command::text(std::string names, std::optional<std::string>& target, std::string value,
                      std::string text, Check valid) {
  return add(std::move(names), std::move(value), std::move(text),
             [&target, valid = std::move(valid)](const std::string& given) {
               target = given;
               return valid ? valid(given) : std::string();
             });
}

Option& Command::texts(std::string names, std::vector<std::string>& target, std::string value,
                       std::string text, Check valid, bool comma) {
  auto& option = add(std::move(names), std::move(value), std::move(text),
                     [&target, comma, valid = std::move(valid)](const std::string& given) {
                       for (const auto& part : comma ? split_commas(given) : std::vector{given}) {
                         auto error = valid ? valid(part) : std::string();
                         if (!error.empty()) return error;
                         target.push_back(part);
                       }
                       return std::string();
                     });
  option.repeatable = true;
  return option;
}

Option& Command::choice(std::string names, std::string& target, std::vector<std::string> choices,
                        std::string text) {
  auto& option = this->text(std::move(names), target, "NAME", std::move(text));
  option.choices = std::move(choices);
  return option;
}

std::optional<std::uint64_t> parse_count(const std::string& text, Bounds bounds,
                                         std::string& error) {
  std::uint64_t n = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data(), end, n);
  if (code == std::errc() && stopped == end && n >= bounds.least && n <= bounds.most) return n;
  // The limit of what is meant to have none is named to whoever meets it.
  const bool too_large = stopped == end && (code == std::errc::result_out_of_range ||
                                            (code == std::errc() && n > bounds.most));
  error =
      bounds.most >= Bounds{}.most && !too_large
          ? fmt::format("'{}' is no whole number of {} or more", text, bounds.least)
          : fmt::format("'{}' is no whole number from {} to {}", text, bounds.least, bounds.most);
  return std::nullopt;
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  for (auto& part : parts) part = std::string(trimmed(part));  // as people write lists: "q, v"
  return parts;
}

namespace {

// `vitals help CMD` is `vitals CMD --help`, and `vitals help` is `vitals --help`.
bool asks_for_help(int argc, char** argv) {
  return argc > 1 && argc <= 3 && std::string_view(argv[1]) == "help";
}

int show_help(const Program& program, int argc, char** argv) {
  if (argc == 2) {
    write_out(help_text(program));
    return 0;
  }
  const auto* command = find(program, argv[2]);
  if (command == nullptr) {
    write_err(fmt::format("{}: {}\n", program.name, printable(unknown_command(program, argv[2]))));
    return 2;
  }
  write_out(help_text(program, *command));
  return 0;
}

}  // namespace

int run(const Program& program, int argc, char** argv) {
  if (asks_for_help(argc, argv)) return show_help(program, argc, argv);
  CLI::App app{program.doc, program.name};
  app.set_version_flag("-V,--version", program.version);
  app.require_subcommand(1);
  if (std::error_code code; std::filesystem::is_regular_file(program.config, code)) {
    app.set_config("--config-file", program.config)->group("");
    app.allow_config_extras(CLI::config_extras_mode::error);
  }
  const Command* chosen = nullptr;
  Given given;
  for (const auto& command : program.commands)
    add_command(app, program, command, [&chosen, &given, &command](const Given& options) {
      chosen = &command;
      given = options;
    });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto* command = find(program, argv[1]);
    write_out(command == nullptr ? help_text(program) : help_text(program, *command));
    return 0;
  } catch (const CLI::CallForVersion&) {
    write_out(program.version + "\n");
    return 0;
  } catch (const CLI::ConfigError& error) {
    fail("{}: {}; defaults stand as NAME = VALUE below [COMMAND]", program.config, error.what());
  } catch (const CLI::ParseError& error) {
    return usage_error(program, argc, argv, error);
  }
  check_files(*chosen, given);
  chosen->run();
  return 0;
}

}  // namespace vitals::cli
