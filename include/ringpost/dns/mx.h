// From DNS answers to hosts to walk: order, implicit and null MX, mail loops, limits. Called by
// the resolver, and by delivery for each walk. Pure: asks nobody; times to live stay with the
// caller, who knows what time it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringpost/base/ip_address.h"
#include "ringpost/base/random.h"
#include "ringpost/dns/lookup.h"
#include "ringpost/dns/message.h"

namespace ringpost::dns {

inline constexpr std::size_t max_mx_hosts = 32;
inline constexpr std::size_t max_addresses_per_family = 8;

// Who we are, to see when mail would come back to us.
struct OwnHost {
  std::vector<std::string> names;  // canonical
  std::vector<IpAddress> addresses;
};

enum class AddressOrder : std::uint8_t { v6_first, v4_first, v6_only, v4_only };

// Why a question was not answered, for operators. `server` is the last one asked, "" if none.
[[nodiscard]] std::string describe_failure(const Question& question, const Answer& answer,
                                           std::string_view server);

// The answer to "where does mail for `domain` go". A failed answer is temporary and never falls
// back to the domain's own address. `server`: as above.
[[nodiscard]] MxAnswer mx_answer(std::string_view domain, const Answer& answer, const OwnHost& own,
                                 std::string_view server);
// For a domain that cannot be asked for, such as one with an empty label.
[[nodiscard]] LookupProblem no_such_domain(std::string_view domain);

// The addresses of `host` from its A and AAAA answers; the one that `order` excludes is ignored.
// One family's failure does not hide the other's addresses.
[[nodiscard]] AddressAnswer address_answer(std::string_view host, const Answer& v4,
                                           const Answer& v6, AddressOrder order,
                                           std::string_view server);

// RFC 5321 section 5.1: hosts at or beyond our own preference are not used. For delivery, once
// it finds that a host's address is ours.
void drop_from_preference(std::vector<MxHost>& hosts, std::uint16_t own_preference);

// RFC 5321 section 5.1: hosts of equal preference are tried in random order. Once for each walk:
// stored answers keep their fixed order.
void shuffle_equal_preferences(std::span<MxHost> hosts, Random& random);

// "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3), or an address without brackets.
[[nodiscard]] std::optional<IpAddress> parse_address_literal(std::string_view text);

}  // namespace ringpost::dns
