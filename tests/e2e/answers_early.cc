// A deliberate break, to see that the ledgers of kill_test.py can tell: linked with --wrap, this
// stands in for Committed::await_ready(), so that nobody waits for the disk any more and 250 is
// answered before the message is written. (That a sync is missing cannot be seen by killing a
// process: its writes survive in the page cache. tests/spool cuts the power instead.)
#include "ringpost/spool/commit_queue.h"

extern "C" bool __wrap__ZNK8ringpost5spool9Committed11await_readyEv(
    const ringpost::spool::Committed*);

extern "C" bool __wrap__ZNK8ringpost5spool9Committed11await_readyEv(
    const ringpost::spool::Committed*) {
  return true;
}
