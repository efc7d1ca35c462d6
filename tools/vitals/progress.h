// How far a long command is, and how long it will take: one line on the terminal, rewritten in
// place and wiped at the end; nothing where standard error is no terminal. And Ctrl-C, which ends a
// measurement and not the program: what was measured so far is reported.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace vitals::cli {

// From its construction on, the first SIGINT only sets a mark; a second one kills.
class Interruption {
 public:
  Interruption();
  ~Interruption();  // gives SIGINT back
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  [[nodiscard]] bool seen() const;
};

class Progress {
 public:
  // Of `steps` steps that take about as long as each other.
  explicit Progress(std::size_t steps = 1);
  ~Progress();  // wipes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Something of which nobody knows how long it takes, between steps.
  void say(const std::string& what);
  // The next step.
  void begin(const std::string& what);
  void show(double part);  // of this step, 0 to 1

 private:
  using Clock = std::chrono::steady_clock;
  void write(const std::string& line);

  bool terminal_;
  std::size_t steps_;
  std::size_t step_ = 0;  // the one that runs, from 1 on
  std::string what_;
  Clock::duration spent_{};  // in steps that are done
  Clock::time_point begun_ = Clock::now();
  std::string line_;
};

// "2 % done, 12 s left", when so much (0 to 1) of a work took these seconds; without the time while
// that cannot be told.
[[nodiscard]] std::string progress_text(double part, double seconds);

}  // namespace vitals::cli
