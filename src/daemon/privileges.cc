#include "ringpost/daemon/privileges.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace ringpost::daemon {

bool is_root() {
  return geteuid() == 0;
}

Result<Account> find_account(const std::string& name) {
  std::vector<char> memory(1 << 16);
  passwd entry{};
  passwd* found = nullptr;
  const int error = getpwnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found);
  if (error != 0) {
    return fail_errno(-error, fmt::format("--user: cannot look up '{}'", name));
  }
  if (found == nullptr) {
    return fail(fmt::format("--user: there is no user '{}'", name),
                "make it (`useradd --system`, or systemd-sysusers), or name another one");
  }
  if (entry.pw_uid == 0 || entry.pw_gid == 0) {
    return fail(fmt::format("--user: '{}' is root, or in root's group", name),
                "name a user who may do nothing but this");
  }
  if (!is_root() && entry.pw_uid != geteuid()) {
    return fail(fmt::format("--user: only root can become '{}'", name),
                "start as root, or as that user without --user");
  }
  return Account{name, entry.pw_uid, entry.pw_gid};
}

Result<> become(const Account& account) {
  if (is_root()) {
    if (initgroups(account.name.c_str(), account.gid) != 0) {
      return fail_errno(-errno, fmt::format("cannot take the groups of '{}'", account.name));
    }
    if (setresgid(account.gid, account.gid, account.gid) != 0 ||
        setresuid(account.uid, account.uid, account.uid) != 0) {
      return fail_errno(-errno, fmt::format("cannot become '{}'", account.name));
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno(-errno, "cannot give up new privileges");
  }
  uid_t users[3] = {};
  gid_t groups[3] = {};
  getresuid(&users[0], &users[1], &users[2]);
  getresgid(&groups[0], &groups[1], &groups[2]);
  for (int at = 0; at < 3; ++at) {
    if (users[at] != account.uid || (groups[at] != account.gid && groups[at] == 0)) {
      return fail(fmt::format("did not become '{}' completely", account.name));
    }
  }
  if (setuid(0) == 0 || setgid(0) == 0) {
    return fail(fmt::format("'{}' could become root again", account.name));
  }
  return {};
}

}  // namespace ringpost::daemon
