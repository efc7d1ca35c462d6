#include "command.h"
#include "manual.h"

#include <memory>

namespace vitals::cli {

Command completions_command(const Program& program) {
  struct InstallTextsArguments {
    Shell shell = Shell::bash;
    OutputOptions output;
  };
  auto o = std::make_shared<InstallTextsArguments>();
  Command c{"completions", "A script that completes commands, options and models in a shell"};
  c.choice("shell", o->shell, {{"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}},
           "bash, zsh or fish")
      .value = "SHELL";
  c.options.back().required = true;
  c.options.back().initial = "";
  add_output_file(c, o->output);
  c.examples = {"source <(vitals completions bash)", "vitals completions zsh > ~/.zfunc/_vitals",
                "vitals completions fish > ~/.config/fish/completions/vitals.fish"};
  c.run = [o, &program] { deliver(completions(program, o->shell), o->output); };
  return c;
}

Command manual_command(const Program& program) {
  auto output = std::make_shared<OutputOptions>();
  Command c{"manual", "All commands and options, as a page for man"};
  add_output_file(c, *output);
  c.examples = {"vitals manual | man -l -"};
  c.run = [output, &program] { deliver(manual_page(program), *output); };
  return c;
}

}  // namespace vitals::cli
