// How far a long command is: one line on the terminal, rewritten in place and wiped at the end;
// nothing where standard error is no terminal. And Ctrl-C, which ends the measuring and not the
// program: what was measured so far is reported.
#pragma once

#include <string>

namespace vitals::cli {

class Progress {
 public:
  Progress();   // from now on the first SIGINT only sets a mark; a second one kills
  ~Progress();  // wipes the line, gives SIGINT back
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(const std::string& what);
  void show(double part);  // 0 to 1
  [[nodiscard]] bool interrupted() const;

 private:
  void write(const std::string& line);

  bool terminal_;
  std::string what_;
  int last_percent_ = -1;
};

}  // namespace vitals::cli
