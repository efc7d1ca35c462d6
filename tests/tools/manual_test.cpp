// What the program says of itself: the manual page, completions, colour, and its version.
#include "report/text/paint.h"
#include "support/run.h"

#include <doctest/doctest.h>

#include <sstream>

using vitals::painted;
using vitals::test::run;

namespace {

// All options that the help texts of all commands name.
std::vector<std::string> options_of(const std::string& command) {
  std::vector<std::string> options;
  std::istringstream help(run({command, "--help"}).out);
  for (std::string line; std::getline(help, line);) {
    const auto at = line.find("--");
    if (line.starts_with("  ") && at != std::string::npos && at < 6)
      options.push_back(line.substr(at, line.find_first_of(" ,[", at) - at));
  }
  return options;
}

}  // namespace

TEST_CASE("the manual and the completions know every option that help shows") {
  const auto manual = run({"manual"}).out;
  const auto bash = run({"completions", "bash"}).out;
  const auto zsh = run({"completions", "zsh"}).out;
  const auto fish = run({"completions", "fish"}).out;
  for (const char* command : {"summary", "flops", "memory", "bench", "report", "compare", "list"}) {
    CHECK(manual.find(std::string(".SS ") + command) != std::string::npos);
    const auto options = options_of(command);
    CHECK(options.size() > 3);
    for (const auto& option : options) {
      if (option == "--help") continue;
      CAPTURE(option);
      std::string dashes;
      for (const char c : option) dashes += c == '-' ? std::string("\\-") : std::string(1, c);
      CHECK(manual.find(dashes) != std::string::npos);
      CHECK(bash.find(option) != std::string::npos);
      CHECK(zsh.find(option) != std::string::npos);
      CHECK(fish.find("-l " + option.substr(2)) != std::string::npos);
    }
  }
  CHECK(run({"completions", "csh"}).exit_code == 2);
}

TEST_CASE("bash completes commands, options, values and models") {
  const auto script = run({"completions", "bash"}).out;
  CHECK(script.find("complete -o filenames -F _vitals vitals") != std::string::npos);
  CHECK(script.find("summary:--style) words='torchsummary tree tensors'") != std::string::npos);
  CHECK(script.find("summary:--output) files=yes") != std::string::npos);
}

TEST_CASE("the version names commit, compiler and backends") {
  const auto version = run({"--version"}).out;
  for (const char* what : {"vitals 0.", "commit ", "compiler ", "backends ", "native"})
    CHECK(version.find(what) != std::string::npos);
}

TEST_CASE("colour is added where it is asked for, and changes no character") {
  const auto plain = run({"flops", "vit_base_patch32", "--convention", "all"}).out;
  const auto colour =
      run({"flops", "vit_base_patch32", "--convention", "all", "--color", "always"}).out;
  CHECK(plain.find('\033') == std::string::npos);
  CHECK(colour == painted(plain));
  std::string stripped;
  for (std::size_t i = 0; i < colour.size(); ++i) {
    if (colour[i] == '\033')
      i = colour.find('m', i);
    else
      stripped += colour[i];
  }
  CHECK(stripped == plain);
  const auto machine_readable =
      run({"summary", "vit_base_patch32", "--format", "json", "--color", "always"}).out;
  CHECK(machine_readable.find('\033') == std::string::npos);
}

TEST_CASE("titles stand out, rules step back, large shares are warm") {
  CHECK(painted("a  b\n----\n1  2\n") == "\033[1ma  b\033[0m\n\033[2m----\033[0m\n1  2\n");
  CHECK(painted("x 9.9 %\n") == "x 9.9 %\n");
  CHECK(painted("x 10.0 %\n") == "x \033[33m10.0 %\033[0m\n");
  CHECK(painted("x 96.4 % y\n") == "x \033[1;31m96.4 %\033[0m y\n");
  CHECK(painted("x 12.5 % █▎  y\n") == "x \033[33m12.5 % █▎\033[0m  y\n");
  CHECK(painted("FLOPs/\n byte\n------\n") ==
        "\033[1mFLOPs/\033[0m\n\033[1m byte\033[0m\n\033[2m------\033[0m\n");
  CHECK(painted("(Nx): N\nalike.\nmore\n") ==
        "\033[2m(Nx): N\033[0m\n\033[2malike.\033[0m\nmore\n");
  CHECK(painted("no newline") == "no newline");
  CHECK(painted("").empty());
}
