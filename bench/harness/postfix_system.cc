// Postfix from its Debian package, on a configuration, a queue and a port of its own. Tuned the way
// its documentation says for bulk and as was measured to be best: see docs/PERFORMANCE.md.
#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/system_under_test.h"

namespace ringpost::bench {
namespace {

constexpr const char* program = "/usr/sbin/postfix";

constexpr std::string_view main_cf = R"(compatibility_level = 3.6
queue_directory = {0}/queue
data_directory = {0}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.test
mydomain = test
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtp_tls_security_level = none
smtpd_tls_security_level = none
transport_maps = texthash:{0}/transport
in_flow_delay = 0
default_process_limit = {1}
qmgr_message_active_limit = 20000
qmgr_message_recipient_limit = 20000
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
smtp_destination_concurrency_limit = 50
smtp_connection_cache_on_demand = {2}
{3}minimal_backoff_time = 10s
maximal_backoff_time = 60s
)";

constexpr std::string_view master_cf = R"(127.0.0.1:{0} inet n - n - {1} smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
)";

class PostfixSystem final : public SystemUnderTest {
 public:
  explicit PostfixSystem(bool connection_cache) : connection_cache_(connection_cache) {}

  Result<> start(const SystemSetup& setup) override {
    if (::access(program, X_OK) != 0) {
      return fail("Postfix is not installed", "apt-get install postfix");
    }
    if (::geteuid() != 0) {
      return fail("Postfix can be started by root only", "run this as root, or leave postfix out");
    }
    const Result<std::uint16_t> port = free_port();
    if (!port) {
      return std::unexpected(port.error());
    }
    smtp_ = {IpAddress::loopback(IpAddress::Family::v4), *port};
    if (Result<> written = write_configuration(setup); !written) {
      return written;
    }
    const std::string errors = setup.directory + "/stderr.log";
    if (Result<> started = process_.start(
            {.command = {program, "-c", configuration_, "start-fg"}, .error_file = errors});
        !started) {
      return started;
    }
    directory_ = setup.directory;
    return wait_until_listening(errors);
  }

  // The process that was started is a script, which does not pass TERM on.
  void stop() override {
    pid_t master = 0;
    std::ifstream(directory_ + "/queue/pid/master.pid") >> master;
    if (master > 1 && process_.running()) {
      ::kill(master, SIGTERM);
      process_.wait(30s);
    }
    process_.end(5s);
  }

 private:
  Result<> write_configuration(const SystemSetup& setup) {
    const std::string& directory = setup.directory;
    configuration_ = directory + "/etc";
    std::error_code error;
    for (const char* const name : {"/etc", "/queue", "/data"}) {
      std::filesystem::create_directories(directory + name, error);
    }
    const passwd* const owner = ::getpwnam("postfix");
    if (error || owner == nullptr ||
        ::chown((directory + "/data").c_str(), owner->pw_uid, owner->pw_gid) != 0) {
      return fail("cannot prepare Postfix's directories", "is its package installed completely?");
    }
    // Its processes run as another user and must reach their queue.
    std::filesystem::permissions(directory, std::filesystem::perms(0755), error);
    const std::string cached = connection_cache_
                                   ? fmt::format(
                                         "smtp_connection_cache_destinations = texthash:{}/cached\n"
                                         "smtp_connection_reuse_count_limit = 0\n",
                                         directory)
                                   : std::string();
    std::ofstream(configuration_ + "/main.cf")
        << fmt::format(main_cf, directory, 150, connection_cache_ ? "yes" : "no", cached);
    std::ofstream(configuration_ + "/master.cf")
        << fmt::format(master_cf, smtp_.port, setup.source_connections + 10);
    std::ofstream transport(directory + "/transport");
    std::ofstream destinations(directory + "/cached");
    for (const auto& [domain, address] : setup.hosts) {
      const std::string hop = fmt::format("[{}]:{}", address, setup.sink_port);
      transport << domain << " smtp:" << hop << '\n';
      destinations << hop << " yes\n";
    }
    transport.close();
    return transport ? Result<>() : fail("cannot write Postfix's configuration");
  }

  Result<> wait_until_listening(const std::string& errors) {
    for (int attempt = 0; attempt < 200 && process_.running(); ++attempt) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_storage address{};
      const socklen_t length = smtp_.to_sockaddr(address);
      const bool connected =
          ::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
      ::close(fd);
      if (connected) {
        return {};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    stop();
    return fail(fmt::format("Postfix did not start:\n{}", last_lines(errors)));
  }

  bool connection_cache_;
  std::string directory_;
  std::string configuration_;
};

}  // namespace

std::unique_ptr<SystemUnderTest> make_postfix(bool connection_cache) {
  return std::make_unique<PostfixSystem>(connection_cache);
}

}  // namespace ringpost::bench
