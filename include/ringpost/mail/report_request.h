// What a sender asked of the reports about its message, RFC 3461: which recipients' fates it wants
// to be told of, under which names, and how much of the message is to come back. Values; most
// messages ask nothing, and for them none of this takes memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringpost::mail {

// RFC 3461: what a relay must be able to keep is also the most that we take.
inline constexpr std::size_t max_envelope_id = 100;         // characters, decoded
inline constexpr std::size_t max_original_recipient = 500;  // bytes of type;xtext

// RFC 3461 section 4.1. Stored in the spool: the numbers stay.
namespace notify {
inline constexpr std::uint8_t unsaid = 0;  // as if FAILURE
inline constexpr std::uint8_t never = 1;
inline constexpr std::uint8_t success = 2;
inline constexpr std::uint8_t failure = 4;
inline constexpr std::uint8_t delay = 8;
inline constexpr std::uint8_t all = never | success | failure | delay;
}  // namespace notify

// RFC 3461 section 4.3. Stored by number.
enum class Returned : std::uint8_t { unsaid, full, headers };

struct RecipientRequest {
  std::uint32_t recipient = 0;  // its index in the envelope
  std::uint8_t notify = notify::unsaid;
  std::string original;  // ORCPT as received, type;xtext; may be empty

  bool operator==(const RecipientRequest&) const = default;
};

struct ReportRequest {
  Returned returned = Returned::unsaid;
  std::vector<RecipientRequest> recipients;  // of whom something was said, by index

  bool operator==(const ReportRequest&) const = default;
  [[nodiscard]] bool empty() const { return returned == Returned::unsaid && recipients.empty(); }
  // Null if nothing was said of this one.
  [[nodiscard]] const RecipientRequest* of(std::uint32_t recipient) const {
    const auto found =
        std::ranges::lower_bound(recipients, recipient, {}, &RecipientRequest::recipient);
    return found != recipients.end() && found->recipient == recipient ? &*found : nullptr;
  }
};

// `request` may be null: then only failures are told.
[[nodiscard]] inline bool wants_failure(const RecipientRequest* request) {
  return request == nullptr || request->notify == notify::unsaid ||
         (request->notify & notify::failure) != 0;
}
[[nodiscard]] inline bool wants_success(const RecipientRequest* request) {
  return request != nullptr && (request->notify & notify::success) != 0;
}

}  // namespace ringpost::mail
