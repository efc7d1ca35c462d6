// The program: its subcommands, and how it turns faults into messages and exit codes.
// 0: done; 1: a fault in the input; 2: wrong usage; 3: something asked for does not hold.
#include "command.h"
#include "core/error.h"
#include "terminal.h"
#include "version.h"

#include <csignal>
#include <cstdio>
#include <new>

namespace {

// The commands that write about the program itself refer to it, so that it stays where it is.
const vitals::cli::Program& program() {
  using namespace vitals::cli;
  static Program p;
  p.name = "vitals";
  p.doc = "The vital signs of a transformer, from its description alone.";
  p.version = version_report();
  p.width = reading_width();
  p.commands = {summary_command(), flops_command(),   memory_command(), bench_command(),
                run_command(),     predict_command(), report_command(), compare_command(),
                list_command(),    devices_command(), spec_command(),   completions_command(p),
                manual_command(p)};
  p.examples = {"vitals summary vit_base_patch32",
                "vitals summary vit_base_patch16_224 --style tree --depth 2",
                "vitals memory vit_base_patch16_224 --batch 64",
                "vitals bench vit_base_patch32",
                "vitals predict vit_base_patch16_224 --device rtx4090 --batch 256",
                "vitals report vit_base_patch16_224 -o report.html",
                "vitals summary my_vit.json --num-classes 10 --format json",
                "vitals list 'deit*'"};
  return p;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return vitals::cli::run(program(), argc, argv);
  } catch (const vitals::ConditionFailed& error) {
    vitals::cli::tell(error.what());
    return 3;
  } catch (const vitals::Error& error) {
    vitals::cli::tell(error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fputs("vitals: out of memory\n", stderr);  // allocates nothing
    return 1;
  }
}
