// The command line: finds the subcommand, runs it, and turns faults into messages and exit codes.
// 0: done; 1: a fault in the input; 2: wrong usage; 3: something asked for does not hold.
#include "command.h"
#include "core/error.h"
#include "version.h"

#include <csignal>
#include <cstdio>
#include <new>

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  vitals summary vit_base_patch32\n"
    "  vitals summary vit_base_patch16_224 --style tree --depth 2\n"
    "  vitals memory vit_base_patch16_224 --batch 64\n"
    "  vitals summary my_vit.json --num-classes 10 --format json\n"
    "  vitals list 'deit*'\n"
    "`vitals COMMAND --help` tells a command's options.";

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::string name = command == &app ? "" : " " + command->get_name();
  std::fprintf(stderr, "vitals%s: %s\nRun `vitals%s --help` for the options.\n", name.c_str(),
               error.what(), name.c_str());
  return 2;
}

int run(int argc, char** argv) {
  CLI::App app{"The vital signs of a transformer, from its description alone.", "vitals"};
  app.set_version_flag("--version", std::string("vitals ") + VITALS_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  vitals::cli::Commands commands{app, {}};
  vitals::cli::add_summary(commands);
  vitals::cli::add_flops(commands);
  vitals::cli::add_compare(commands);
  vitals::cli::add_memory(commands);
  vitals::cli::add_list(commands);
  vitals::cli::add_spec(commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  commands.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const vitals::ConditionFailed& error) {
    std::fprintf(stderr, "vitals: %s\n", error.what());
    return 3;
  } catch (const vitals::Error& error) {
    std::fprintf(stderr, "vitals: %s\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "vitals: out of memory\n");
    return 1;
  }
}
