#include "program.h"
#include "streams.h"

#include <csignal>

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` fails, and what was begun is removed
  vitals::cli::hold_standard_streams();
  return vitals::cli::run_program(argc, argv);
}
