#include "harness/system_under_test.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace ringpost::bench {
namespace {

class RingpostSystem final : public SystemUnderTest {
 public:
  Result<> start(const SystemSetup& setup) override {
    const std::string control = setup.directory + "/control.sock";
    const std::string events = setup.directory + "/events.log";
    Launch launch{.command = {setup.ringpostd}, .error_file = setup.directory + "/stderr.log"};
    const auto set = [&launch](std::string setting) {
      launch.command.emplace_back("-O");
      launch.command.push_back(std::move(setting));
    };
    set(fmt::format("spool.directory=\"{}/spool\"", setup.directory));
    set("listener.smtp=[\"127.0.0.1:0\"]");
    set(fmt::format("dns.servers=[\"{}\"]", setup.names.to_string()));
    set(fmt::format("delivery.port={}", setup.sink_port));
    set("delivery.prohibited_networks=[]");
    set(fmt::format("control.socket=\"{}\"", control));
    set(fmt::format("log.events=\"{}\"", events));
    set("identity.hostname=\"relay.test\"");
    for (const std::string& setting : setup.overrides) {
      set(setting);
    }
    if (Result<> started = process_.start(launch); !started) {
      return started;
    }
    environment_ = {"RINGPOST_SOCKET=" + control, "RINGPOST_EVENTS=" + events,
                    fmt::format("RINGPOST_PID={}", process_.pid())};
    return wait_until_ready(launch.error_file);
  }

 private:
  Result<> wait_until_ready(const std::string& error_file) {
    constexpr std::string_view mark = "ready ";
    while (const std::optional<std::string> line = process_.read_line(60s)) {
      if (!line->starts_with(mark)) {
        continue;
      }
      const auto ready = nlohmann::json::parse(line->substr(mark.size()), nullptr, false);
      if (ready.is_object() && ready.contains("smtp") && ready["smtp"].is_array() &&
          !ready["smtp"].empty() && ready["smtp"][0].is_string()) {
        const std::string address = ready["smtp"][0];
        if (const std::optional<Endpoint> endpoint = Endpoint::parse(address)) {
          smtp_ = *endpoint;
          environment_.push_back("RINGPOST_SMTP=" + address);
          return {};
        }
      }
      return fail(fmt::format("ringpostd is ready, but does not say where: {}", *line));
    }
    return fail(fmt::format("ringpostd did not become ready:\n{}", last_lines(error_file)));
  }
};

}  // namespace

std::unique_ptr<SystemUnderTest> make_ringpost() {
  return std::make_unique<RingpostSystem>();
}

Result<std::unique_ptr<SystemUnderTest>> make_system(std::string_view name) {
  if (name == "ringpost" || name == "ringpost-tls") {
    return make_ringpost();
  }
  if (name == "postfix" || name == "postfix-cache") {
    return make_postfix(name == "postfix-cache");
  }
  if (name == "exim" || name == "opensmtpd" || name == "sendmail") {
    return fail(fmt::format("this version cannot measure {}", name),
                "choose among ringpost, ringpost-tls, postfix, postfix-cache");
  }
  return fail(fmt::format("unknown system '{}'", name),
              "choose among ringpost, ringpost-tls, postfix, postfix-cache");
}

Result<std::uint16_t> free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  socklen_t length = Endpoint{IpAddress::loopback(IpAddress::Family::v4), 0}.to_sockaddr(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  const bool ok = fd >= 0 && ::bind(fd, raw, length) == 0 && ::getsockname(fd, raw, &length) == 0;
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  if (!ok) {
    return fail_errno(error, "cannot find a free port");
  }
  return Endpoint::from_sockaddr(address)->port;
}

std::string last_lines(const std::string& path) {
  constexpr std::size_t most = 2000;
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  return all.size() <= most ? all : all.substr(all.size() - most);
}

}  // namespace ringpost::bench
