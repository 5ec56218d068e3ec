#include "ringpost/delivery/places.h"

namespace ringpost::delivery {

mail::Message without_content(const queue::QueuedMessage& message,
                              std::span<const std::uint32_t> recipients) {
  mail::Message made;
  made.id = message.id();
  made.arrived = message.arrived();
  made.envelope.sender = message.sender();
  made.envelope.tenant = message.tenant();
  made.envelope.job = message.job_name();
  made.envelope.envid = message.envid();
  made.envelope.eight_bit = message.eight_bit();
  for (const std::uint32_t recipient : recipients) {
    made.envelope.recipients.emplace_back(message.address_of(message.recipients()[recipient]));
  }
  return made;
}

}  // namespace ringpost::delivery
