// The command line: one argument a line. They are parsed as the program does, but no command runs;
// and each alone is read as whatever takes a text of its own: an override, a condition, a budget.
#include "core/suggest.h"
#include "frontends/devices/device_file.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/spec.h"
#include "fuzz/fuzz.h"
#include "program.h"
#include "report/budget.h"
#include "support/lines.h"

#include <cstring>

using namespace vitals;

namespace {

void parse(std::vector<std::string> arguments) {
  const auto program = cli::make_program();
  // What a command would do holds the variables that its options write to.
  for (auto& command : program->commands) command.run = [kept = command.run] {};
  arguments.insert(arguments.begin(), program->name);
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto code = cli::run(*program, static_cast<int>(arguments.size()), argv.data());
  fuzz::require(code == 0 || code == 2, "arguments are taken, or wrong usage");
}

void override_with(const std::string& text) {
  static const auto model = builtin_model("vit_tiny_patch16_224", "fuzz");
  const auto equals = text.find('=');
  if (equals == std::string::npos) return;
  const auto key = text.substr(0, equals);
  fuzz::check_model(with_overrides(model, {{key, text.substr(equals + 1), "--set " + key}}));
}

void condition(const std::string& text) {
  const std::vector<Quantity> figures = {
      {"params", Unit::count, 1e6}, {"memory", Unit::bytes, 1e9}, {"latency", Unit::seconds, 1e-3}};
  const auto parsed = parse_fail_condition(text, figures);
  fuzz::require(!describe(parsed, figures).empty(), "a condition can be told");
  fuzz::require(
      holds(parsed, figures) == holds(parse_fail_condition(parsed.text, figures), figures),
      "a condition means the same when it is read again");
}

}  // namespace

void fuzz::target::command_line(std::string_view text) {
  auto arguments = test::lines_of(std::string(text));
  // As a shell would: an argument ends at a zero byte.
  for (auto& argument : arguments) argument.resize(std::strlen(argument.c_str()));
  fuzz::accept_or_refuse([&] { parse(arguments); });
  for (const auto& argument : arguments) {
    fuzz::accept_or_refuse([&] { override_with(argument); });
    fuzz::accept_or_refuse([&] { condition(argument); });
    fuzz::accept_or_refuse([&] { (void)memory_budget(argument); });
    fuzz::accept_or_refuse([&] { fuzz::check_model(builtin_model(argument, "fuzz")); });
  }
}
