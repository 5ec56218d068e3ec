// A program that the harness runs: started without a shell, its standard output read line by
// line, its standard error kept in a file, ended by TERM and, if it does not go, KILL.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "ringpost/base/result.h"
#include "ringpost/base/time.h"

namespace ringpost::bench {

struct Launch {
  std::vector<std::string> command;      // the program's path first
  std::vector<std::string> environment;  // NAME=value, beside our own
  std::string error_file;                // standard error goes here; ours if empty
  enum class Output { pipe, ours, our_error } output = Output::pipe;
};

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  Result<> start(const Launch& launch);
  // The next line of its standard output; nothing at its end or after `longest`.
  std::optional<std::string> read_line(Duration longest);
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Its exit status, 128 + signal if one killed it; nothing while it runs after `longest`.
  std::optional<int> wait(Duration longest);
  // TERM, then KILL after `longest`. Does nothing when it has ended.
  void end(Duration longest);

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string buffered_;
  std::optional<int> status_;
};

}  // namespace ringpost::bench
