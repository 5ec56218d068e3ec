// From root to a user who may do little, for good. Called once, after the ports are bound and the
// TLS keys are read, before there is any thread, file or mail.
#pragma once

#include <sys/types.h>

#include <string>

#include "ringpost/base/result.h"

namespace ringpost::daemon {

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

[[nodiscard]] bool is_root();
// Who that is, if we can become it.
[[nodiscard]] Result<Account> find_account(const std::string& name);
// Groups, then group, then user; and nothing that is executed can ever be more (no_new_privs).
// Verified: an error where any of it did not happen, and then the process must end.
[[nodiscard]] Result<> become(const Account& account);

}  // namespace ringpost::daemon
