#include "ringpost/delivery/places.h"

namespace ringpost::delivery {
namespace {

// Those of some recipients, numbered as the part numbers them.
mail::ReportRequest requests_of(const mail::ReportRequest& whole,
                                std::span<const std::uint32_t> recipients) {
  mail::ReportRequest reports;
  reports.returned = whole.returned;
  for (std::uint32_t number = 0; number < recipients.size(); ++number) {
    if (const mail::RecipientRequest* const request = whole.of(recipients[number])) {
      reports.recipients.push_back({number, request->notify, request->original});
    }
  }
  return reports;
}

}  // namespace

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
  made.envelope.utf8 = message.utf8();
  for (const std::uint32_t recipient : recipients) {
    made.envelope.recipients.emplace_back(message.address_of(message.recipients()[recipient]));
  }
  if (message.reports() != nullptr) {
    made.envelope.reports = requests_of(*message.reports(), recipients);
  }
  return made;
}

}  // namespace ringpost::delivery
