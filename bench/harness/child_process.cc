#include "harness/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <thread>

extern char** environ;

namespace ringpost::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& string : strings) {
    list.push_back(string.data());
  }
  list.push_back(nullptr);
  return list;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    all.emplace_back(*entry);
  }
  return all;
}

// The signals that the harness blocks or ignores are the child's as usual.
void reset_signals(posix_spawnattr_t& attributes) {
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  // A group of its own: an interrupt at the terminal is ours to pass on.
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

}  // namespace

ChildProcess::~ChildProcess() {
  end(10s);
  if (output_ >= 0) {
    ::close(output_);
  }
}

Result<> ChildProcess::start(const Launch& launch) {
  int ends[2] = {-1, -1};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  reset_signals(attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (launch.output == Launch::Output::pipe) {
    if (::pipe2(ends, O_CLOEXEC) < 0) {
      return fail_errno(errno, "cannot make a pipe");
    }
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  } else if (launch.output == Launch::Output::our_error) {
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  }
  if (!launch.error_file.empty()) {
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, launch.error_file.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  std::vector<std::string> command = launch.command;
  std::vector<std::string> environment = merged_environment(launch.environment);
  const int error = ::posix_spawn(&pid_, command.front().c_str(), &actions, &attributes,
                                  pointers(command).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (ends[1] >= 0) {
    ::close(ends[1]);
    output_ = ends[0];
  }
  if (error != 0) {
    pid_ = -1;
    return fail_errno(error, fmt::format("cannot run {}", command.front()));
  }
  return {};
}

std::optional<std::string> ChildProcess::read_line(Duration longest) {
  const Clock::time_point deadline = Clock::now() + longest;
  while (true) {
    if (const std::size_t end = buffered_.find('\n'); end != std::string::npos) {
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd polled = {output_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&polled, 1, static_cast<int>(left.count())) <= 0) {
      return std::nullopt;
    }
    char bytes[4096];
    const ssize_t got = ::read(output_, bytes, sizeof(bytes));
    if (got <= 0) {
      return std::nullopt;
    }
    buffered_.append(bytes, static_cast<std::size_t>(got));
  }
}

bool ChildProcess::running() {
  return pid_ > 0 && !wait(Duration::zero());
}

std::optional<int> ChildProcess::wait(Duration longest) {
  const Clock::time_point deadline = Clock::now() + longest;
  while (pid_ > 0 && !status_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (Clock::now() >= deadline) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  return status_;
}

void ChildProcess::end(Duration longest) {
  if (!running()) {
    return;
  }
  ::kill(pid_, SIGTERM);
  if (!wait(longest)) {
    ::kill(pid_, SIGKILL);
    wait(10s);
  }
}

}  // namespace ringpost::bench
