#include "progress.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace vitals::cli {
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

void on_interrupt(int signal) {
  interrupt_seen = 1;
  std::signal(signal, SIG_DFL);
}

constexpr const char* kWipe = "\r\033[K";

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {
  interrupt_seen = 0;
  std::signal(SIGINT, on_interrupt);
}

Progress::~Progress() {
  write("");
  std::signal(SIGINT, SIG_DFL);
}

void Progress::begin(const std::string& what) {
  what_ = what;
  last_percent_ = -1;
  write(what_ + " ...");
}

void Progress::show(double part) {
  const int percent = static_cast<int>(100 * part);
  if (percent == last_percent_) return;
  last_percent_ = percent;
  write(fmt::format("{} {} %", what_, percent));
}

bool Progress::interrupted() const { return interrupt_seen != 0; }

void Progress::write(const std::string& line) {
  if (terminal_) std::fprintf(stderr, "%s%s", kWipe, line.c_str());
}

}  // namespace vitals::cli
