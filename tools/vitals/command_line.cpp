#include "command_line.h"

#include "core/suggest.h"
#include "help.h"

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include <charconv>
#include <cstdio>
#include <cstring>

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
}

Given given_options(const CLI::App& app, const Command& command) {
  Given given;
  for (const auto& option : command.options)
    if (const auto name = option.names.substr(0, option.names.find(',')); app.count(name) > 0)
      given.names.push_back(name);
  return given;
}

void add_command(CLI::App& app, const Command& command, const Command*& chosen) {
  auto* sub = app.add_subcommand(command.name, command.doc);
  for (const auto& option : command.options) add_option(*sub, option);
  for (const auto& option : command.options)
    if (!option.needs.empty()) sub->get_option(option.names)->needs(sub->get_option(option.needs));
  sub->callback([&command, &chosen, sub] {
    const auto error = command.check ? command.check(given_options(*sub, command)) : "";
    if (!error.empty()) throw CLI::ValidationError(error);
    chosen = &command;
  });
}

std::vector<std::string> long_names(const Command& command) {
  std::vector<std::string> names = {"--help"};
  for (const auto& option : command.options)
    if (!option.positional()) names.push_back(option.names.substr(option.names.find("--")));
  return names;
}

const Command* find(const Program& program, const std::string& name) {
  for (const auto& command : program.commands)
    if (command.name == name) return &command;
  return nullptr;
}

// An option among the arguments that the command does not have, with the name that was probably
// meant: the mend of a misspelt option, where CLI11 would complain about its value.
std::string unknown_option(const Command& command, int argc, char** argv) {
  const auto names = long_names(command);
  for (int i = 2; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const auto name = std::string(argv[i]).substr(0, std::string_view(argv[i]).find('='));
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (name.starts_with("--") && !known)
      return fmt::format("there is no option '{}'{}", name, did_you_mean(name, names));
  }
  return "";
}

std::string unknown_command(const Program& program, char** argv) {
  if (argv[1][0] == '-') return "";
  std::vector<std::string> names;
  for (const auto& command : program.commands) names.push_back(command.name);
  return "there is no command" + none_of(argv[1], names).substr(std::strlen("there is no"));
}

// What is missing, in the words of the help.
std::string missing(const Command& command, const std::string& message) {
  for (const auto& o : command.options) {
    const auto name = o.names.substr(o.names.rfind(',') + 1);
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
    fmt::print(stderr, "{}: COMMAND is required\n\n{}", program.name, help_text(program));
    return 2;
  }
  const auto* command = find(program, argv[1]);
  const auto name = command == nullptr ? program.name : program.name + " " + command->name;
  auto message =
      command == nullptr ? unknown_command(program, argv) : unknown_option(*command, argc, argv);
  if (message.empty())
    message = command == nullptr ? error.what() : missing(*command, error.what());
  fmt::print(stderr, "{}: {}\nRun `{} --help` for the options.\n", name, message, name);
  return 2;
}

}  // namespace

bool Given::has(const std::string& name) const {
  return std::find(names.begin(), names.end(), name) != names.end();
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
  error =
      bounds.most >= Bounds{}.most
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
  return parts;
}

int run(const Program& program, int argc, char** argv) {
  CLI::App app{program.doc, program.name};
  app.set_version_flag("--version", program.version);
  app.require_subcommand(1);
  const Command* chosen = nullptr;
  for (const auto& command : program.commands) add_command(app, command, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto* command = find(program, argv[1]);
    fmt::print("{}", command == nullptr ? help_text(program) : help_text(program, *command));
    return 0;
  } catch (const CLI::Success& success) {  // --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(program, argc, argv, error);
  }
  chosen->run();
  return 0;
}

}  // namespace vitals::cli
