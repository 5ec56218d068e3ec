#include "ringpost/control/hold_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "ringpost/spool/segment_file.h"

namespace ringpost::control {
namespace {

constexpr std::string_view first_line = "ringpost operator's state 1";
constexpr std::string_view last_line = "end";
constexpr mode_t file_mode = 0640;
// Names are short; more than this is no file of ours.
constexpr std::size_t longest_file = std::size_t{1} << 20;

struct Kind {
  std::string_view prefix;
  queue::Holds::Names queue::Holds::* names;
};
constexpr Kind kinds[] = {
    {"hold group ", &queue::Holds::groups},
    {"hold destination ", &queue::Holds::destinations},
    {"hold job ", &queue::Holds::jobs},
};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

bool parse_hold(std::string_view line, queue::Holds& holds) {
  for (const Kind& kind : kinds) {
    if (line.starts_with(kind.prefix) && line.size() > kind.prefix.size()) {
      return (holds.*kind.names).emplace(line.substr(kind.prefix.size())).second;
    }
  }
  return false;
}

}  // namespace

std::string hold_file_path(const std::string& spool_directory) {
  return spool_directory + "/operator.state";
}

std::string to_text(const queue::Holds& holds) {
  std::string text = fmt::format("{}\n", first_line);
  for (const Kind& kind : kinds) {
    for (const std::string& name : holds.*kind.names) {
      text += fmt::format("{}{}\n", kind.prefix, name);
    }
  }
  return text + fmt::format("{}\n", last_line);
}

Result<queue::Holds> parse_holds(std::string_view text, const std::string& path) {
  const auto bad = [&path](int line, std::string_view what) {
    return fail(fmt::format("{}:{}: {}", path, line, what),
                "mend the line, or remove the file: then nothing is held");
  };
  queue::Holds holds;
  if (take_line(text) != first_line) {
    return bad(1, fmt::format("not '{}'", first_line));
  }
  for (int number = 2;; ++number) {
    if (text.empty()) {
      return bad(number, "the file ends without 'end'");
    }
    const std::string_view line = take_line(text);
    if (line == last_line) {
      return holds;
    }
    if (!parse_hold(line, holds)) {
      return bad(number,
                 "neither 'hold group NAME' nor 'hold destination NAME' nor 'hold job "
                 "NAME', or for the second time");
    }
  }
}

queue::Holds holds_after(queue::Holds holds, const ChangeCommand& command) {
  const Selector& selector = command.selector;
  const auto change = [&command](queue::Holds::Names& names, const std::string& name) {
    if (name.empty()) {
      return;
    }
    if (command.what == ChangeCommand::What::hold) {
      names.insert(name);
    } else {
      names.erase(name);
    }
  };
  change(holds.groups, selector.group);
  change(holds.destinations, selector.destination);
  change(holds.jobs, selector.job);
  return holds;
}

bool changes_holds(const Command& command) {
  const auto* const change = std::get_if<ChangeCommand>(&command);
  return change != nullptr && (change->what == ChangeCommand::What::hold ||
                               change->what == ChangeCommand::What::release);
}

std::optional<Refusal> why_not(const ChangeCommand& command, const queue::Holds& holds,
                               const ShardView& view) {
  const Selector& selector = command.selector;
  const bool hold = command.what == ChangeCommand::What::hold;
  if (hold && holds.size() > queue::Holds::most) {
    return Refusal{409, "too_many", fmt::format("{} names are held already", queue::Holds::most),
                   "release some: `ringpost holds` shows them"};
  }
  const auto named = [&](const intake::AssignedGroup& group) {
    return group.settings.name == selector.group;
  };
  const auto groups = view.assignment.groups();
  const auto found = std::ranges::find_if(groups, named);
  // What is held under a name that no group has any more can be released all the same.
  if (!selector.group.empty() && found == groups.end() &&
      (hold || !view.holds.groups.contains(selector.group))) {
    return Refusal{404, "not_found", fmt::format("there is no queue group '{}'", selector.group),
                   "`ringpost group list` shows them"};
  }
  if (!hold && holds == view.holds) {
    const bool configured = found != groups.end() && !selector.group.empty() &&
                            found->settings.delivery == config::DeliveryMode::hold;
    return Refusal{404, "not_held",
                   configured ? "the configuration holds it, not an order" : "that is not held",
                   configured ? "set queue_group.delivery = \"queue\" there"
                              : "`ringpost holds` shows what is"};
  }
  return std::nullopt;
}

Refusal not_recorded(int error) {
  return {500, "failed", fail_errno(error, "the order cannot be made durable").error().describe(),
          "nothing was changed; is the spool's disk full?"};
}

ring::Task<Result<queue::Holds>> read_holds(ring::Reactor& reactor, std::string spool_directory) {
  const std::string path = hold_file_path(spool_directory);
  const int fd = co_await reactor.open(path, O_RDONLY | O_CLOEXEC, 0);
  if (fd == -ENOENT) {
    co_return queue::Holds();
  }
  if (fd < 0) {
    co_return fail_errno(fd, fmt::format("cannot open {}", path));
  }
  std::string text;
  std::array<char, 4096> block;
  int got = 1;
  while (got > 0 && text.size() < longest_file) {
    got = co_await reactor.read(fd, block, text.size());
    text.append(block.data(), static_cast<std::size_t>(std::max(got, 0)));
  }
  co_await reactor.close_file(fd);
  if (got < 0) {
    co_return fail_errno(got, fmt::format("cannot read {}", path));
  }
  co_return parse_holds(text, path);
}

ring::Task<int> write_holds(ring::Reactor& reactor, std::string spool_directory,
                            queue::Holds holds) {
  const std::string path = hold_file_path(spool_directory);
  const std::string fresh = path + ".new";
  const int fd = co_await reactor.open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file_mode);
  if (fd < 0) {
    co_return fd;
  }
  const std::string text = to_text(holds);
  std::size_t done = 0;
  int error = 0;
  while (done < text.size() && error >= 0) {
    const std::string_view rest = std::string_view(text).substr(done);
    error = co_await reactor.write(fd, rest, done);
    done += static_cast<std::size_t>(std::max(error, 0));
  }
  if (error >= 0) {
    error = co_await reactor.sync(fd, false);
  }
  co_await reactor.close_file(fd);
  if (error >= 0) {
    error = co_await reactor.rename(fresh, path);
  }
  if (error >= 0) {
    error = co_await spool::sync_directory(reactor, spool_directory);
  }
  co_return std::min(error, 0);
}

}  // namespace ringpost::control
