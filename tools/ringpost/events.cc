#include "events.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <thread>
#include <utility>

#include "ringpost/base/text.h"

namespace ringpost::tool {
namespace {

constexpr Duration look_again_after = 100ms;
// After a rotation each shard goes on in the old file until it has opened the new one.
constexpr int looks_at_old_file = 10;
// A line of ours is far shorter; what has no end by then is no event log.
constexpr std::size_t longest_line = std::size_t{1} << 20;

using Json = nlohmann::json;

bool is(const Json& event, const char* name, const std::string& wanted) {
  const auto found = event.find(name);
  return wanted.empty() || (found != event.end() && found->is_string() &&
                            equals_ignoring_case(found->get_ref<const std::string&>(), wanted));
}

bool is_for(const Json& event, const std::string& recipient) {
  if (!recipient.starts_with('@')) {
    return is(event, "recipient", recipient);
  }
  const auto found = event.find("recipient");
  if (found == event.end() || !found->is_string()) {
    return false;
  }
  const std::string_view address = found->get_ref<const std::string&>();
  return address.size() > recipient.size() &&
         equals_ignoring_case(address.substr(address.size() - recipient.size()), recipient);
}

class LogFile {
 public:
  explicit LogFile(std::string path) : path_(std::move(path)) {}
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile() { close_it(); }

  // 0 or an errno.
  int open_it() {
    close_it();
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    offset_ = 0;
    partial_.clear();
    return fd_ < 0 ? errno : 0;
  }
  void skip_to_end() {
    struct stat now{};
    if (fstat(fd_, &now) == 0) {
      offset_ = now.st_size;
    }
  }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  // Calls `visit` for each whole line up to the end of the file. False after a read error.
  template <class Visit>
  bool read_lines(Visit visit) {
    std::array<char, 1 << 16> block;
    while (true) {
      const ssize_t count = pread(fd_, block.data(), block.size(), offset_);
      if (count <= 0) {
        return count == 0;
      }
      offset_ += count;
      std::string_view bytes(block.data(), static_cast<std::size_t>(count));
      for (std::size_t end = bytes.find('\n'); end != std::string_view::npos;
           end = bytes.find('\n')) {
        partial_.append(bytes.substr(0, end));
        visit(partial_);
        partial_.clear();
        bytes.remove_prefix(end + 1);
      }
      if (partial_.size() + bytes.size() > longest_line) {
        partial_.clear();
        continue;
      }
      partial_.append(bytes);
    }
  }

  // It was renamed, and another file has its name.
  [[nodiscard]] bool replaced() const {
    struct stat named{};
    struct stat ours{};
    return stat(path_.c_str(), &named) == 0 && fstat(fd_, &ours) == 0 &&
           (named.st_ino != ours.st_ino || named.st_dev != ours.st_dev);
  }
  [[nodiscard]] bool truncated() const {
    struct stat ours{};
    return fstat(fd_, &ours) == 0 && ours.st_size < offset_;
  }

 private:
  void close_it() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }

  std::string path_;
  int fd_ = -1;
  off_t offset_ = 0;
  std::string partial_;
};

}  // namespace

bool fits(const EventFilter& filter, const std::string& line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object()) {
    return false;
  }
  const auto named = [&event](const std::string& name) { return is(event, "event", name); };
  return (filter.events.empty() || std::ranges::any_of(filter.events, named)) &&
         is(event, "id", filter.id) && is(event, "group", filter.group) &&
         is(event, "destination", filter.destination) && is(event, "job", filter.job) &&
         is_for(event, filter.recipient);
}

int print_events(const EventOptions& options, std::ostream& out, std::ostream& error,
                 const std::function<bool()>& go_on) {
  LogFile log(options.log);
  if (const int failed = log.open_it(); failed != 0) {
    error << "ringpost: cannot open the event log " << options.log << ": " << std::strerror(failed)
          << "\n  name it with --log, or run this as the daemon's user\n";
    return 1;
  }
  if (options.follow && !options.from_start) {
    log.skip_to_end();
  }
  const auto print = [&](const std::string& line) {
    if (fits(options.filter, line)) {
      out << line << '\n';
    }
  };
  int looks_left = looks_at_old_file;
  while (true) {
    const bool truncated = log.truncated();
    const bool replaced = !truncated && log.replaced();
    if (!log.read_lines(print)) {
      error << "ringpost: cannot read the event log " << options.log << ": " << std::strerror(errno)
            << '\n';
      return 1;
    }
    out.flush();
    if (!out.good()) {
      return 1;  // nobody reads any more
    }
    looks_left = replaced ? looks_left - 1 : looks_at_old_file;
    if ((truncated || looks_left == 0) && log.open_it() == 0) {
      continue;
    }
    if (!options.follow || !go_on()) {
      return 0;
    }
    std::this_thread::sleep_for(look_again_after);
  }
}

}  // namespace ringpost::tool
