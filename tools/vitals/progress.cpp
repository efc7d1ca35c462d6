#include "progress.h"

#include "core/text.h"
#include "streams.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <unistd.h>

namespace vitals::cli {
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

void on_interrupt(int signal) {
  interrupt_seen = 1;
  std::signal(signal, SIG_DFL);
}

constexpr const char* kWipe = "\r\033[K";

// Steps that are done sooner leave no trace.
constexpr auto kPatience = std::chrono::milliseconds(300);

std::string time_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", std::max(std::ceil(seconds), 1.0));
  if (seconds < 6000) return fmt::format("{:.0f} min", std::ceil(seconds / 60));
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace

Interruption::Interruption() {
  interrupt_seen = 0;
  std::signal(SIGINT, on_interrupt);
}

Interruption::~Interruption() { std::signal(SIGINT, SIG_DFL); }

bool Interruption::seen() const { return interrupt_seen != 0; }

Progress::Progress(std::size_t steps) : terminal_(isatty(STDERR_FILENO) == 1), steps_(steps) {}

Progress::~Progress() { write(""); }

void Progress::say(const std::string& what) { write(what + " ..."); }

void Progress::begin(const std::string& what) {
  const auto now = Clock::now();
  if (step_ > 0) spent_ += now - begun_;
  begun_ = now;
  ++step_;
  what_ = steps_ > 1 ? fmt::format("{} ({} of {})", what, step_, steps_) : what;
}

void Progress::show(double part) {
  const auto here = Clock::now() - begun_;
  if (!terminal_ || spent_ + here < kPatience) return;
  const auto done = static_cast<double>(step_ - 1) + part;
  const auto seconds = std::chrono::duration<double>(spent_ + here).count();
  write(what_ + ": " + progress_text(done / static_cast<double>(steps_), seconds));
}

void Progress::write(const std::string& line) {
  if (!terminal_ || line == line_) return;
  write_err(kWipe + printable_line(line));
  line_ = line;
}

std::string progress_text(double part, double seconds) {
  auto percent = fmt::format("{:.0f} % done", std::floor(100 * part));
  constexpr double kLeastPart = 0.01;  // before that, nobody can tell
  if (part < kLeastPart || part >= 1) return percent;
  return percent + ", " + time_text(seconds * (1 - part) / part) + " left";
}

}  // namespace vitals::cli
