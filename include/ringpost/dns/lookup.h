// What the resolver answers: plain values, ready to be copied, kept and shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/time.h"
#include "ringpost/mail/enhanced_status.h"

namespace ringpost::dns {

enum class LookupStatus : std::uint8_t {
  found,
  permanent,  // there is nothing to find: recipients bounce
  temporary,  // nobody could say: recipients wait
};

// Why nothing was found, in the form in which a recipient's outcome needs it.
struct LookupProblem {
  std::uint16_t reply_code = 0;  // as an SMTP server would have said it: 550, 556, 451
  mail::EnhancedStatus status;
  std::string reason;  // one line: "DNS: SERVFAIL for example.com MX from 127.0.0.1:53"
};

struct MxHost {
  std::uint16_t preference = 0;
  std::string name;  // canonical; an IP address where a domain publishes one as its exchange

  bool operator==(const MxHost&) const = default;
};

struct MxAnswer {
  LookupStatus status = LookupStatus::temporary;
  std::vector<MxHost> hosts;  // by preference, then name: the same set is the same list
  bool implicit = false;      // the domain itself, for want of MX records (RFC 5321 section 5.1)
  LookupProblem problem;      // unless found
  Instant expires{};
};

struct AddressAnswer {
  LookupStatus status = LookupStatus::temporary;
  std::vector<IpAddress> addresses;  // the preferred family first
  LookupProblem problem;             // unless found
  Instant expires{};
};

}  // namespace ringpost::dns
