// Turns what the program's commands throw into messages and exit codes.
// 0: done; 1: a fault in the input; 2: wrong usage; 3: something asked for does not hold.
#include "core/error.h"
#include "program.h"
#include "streams.h"
#include "terminal.h"

#include <csignal>
#include <exception>
#include <new>

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` fails, and what was begun is removed
  vitals::cli::hold_standard_streams();
  try {
    return vitals::cli::run(*vitals::cli::make_program(), argc, argv);
  } catch (const vitals::ConditionFailed& error) {
    vitals::cli::tell(error.what());
    return 3;
  } catch (const vitals::Error& error) {
    vitals::cli::tell(error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    vitals::cli::write_err("vitals: out of memory\n");  // allocates nothing
    return 1;
  } catch (const std::exception& error) {  // what the system refuses, such as another thread
    vitals::cli::tell(error.what());
    return 1;
  }
}
