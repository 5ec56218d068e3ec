// One pass over the header of a message (RFC 5322 section 2.2): what the relay must know of it, and
// the fields that are meant for the relay alone. Called once a message at the end of its data.
// Never changes a field that is not ours, and moves bytes only if there is one to strip.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringpost::mail {

// RFC 5321 section 6.3: a message with more Received fields than this goes round in circles.
inline constexpr std::size_t max_received_fields = 100;
inline constexpr std::size_t max_label = 128;  // bytes of a tenant or job name

struct HeaderScan {
  std::size_t received = 0;  // Received fields at or behind `from`
  std::string tenant;        // X-Ringpost-Tenant; the first one counts
  std::string job;           // X-Ringpost-Job; the first one counts
  // Why a label cannot be honoured, for people; empty if all is well.
  std::string_view problem;
};

// Scans the header that begins at byte `from` of `content` and takes all X-Ringpost-Tenant and
// X-Ringpost-Job fields out. The header ends at an empty line, or before the first line that is
// no field. Labels are unfolded and trimmed, printable ASCII, at most `max_label` bytes.
[[nodiscard]] HeaderScan scan_header(std::string& content, std::size_t from);

}  // namespace ringpost::mail
