#include "ringpost/control/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "ringpost/base/check.h"
#include "ringpost/delivery/places.h"
#include "ringpost/mail/address.h"
#include "ringpost/queue/lane.h"
#include "ringpost/queue/queue_group.h"

namespace ringpost::control {
namespace {

constexpr std::string_view moved = "moved";

struct Waiting {
  std::string_view state;
  std::optional<WallTime> next_attempt;
};

Waiting waiting_of(const queue::Entry& entry, const queue::Lane* lane, queue::Now now) {
  if (entry.domain().group().withheld(entry)) {
    return {"held", std::nullopt};
  }
  switch (entry.state()) {
    case queue::EntryState::ready:
      if (lane != nullptr && lane->status().suspended(now.instant)) {
        return {"deferred", now.wall_of(lane->status().until())};
      }
      if (entry.domain().route_state() == queue::RouteState::failed) {
        return {"deferred", now.wall_of(entry.domain().route_until())};
      }
      return {"ready", std::nullopt};
    case queue::EntryState::deferred:
      return {"deferred", now.wall_of(entry.due())};
    case queue::EntryState::held:
      return {"held", std::nullopt};
    case queue::EntryState::expired:
    case queue::EntryState::in_flight:
      break;
  }
  return {"in_flight", std::nullopt};
}

std::optional<LastError> error_of(const queue::QueuedRecipient& recipient) {
  const queue::LastAttempt* const last = recipient.last_attempt();
  if (last == nullptr) {
    return std::nullopt;
  }
  LastError error;
  if (last->time != WallTime()) {
    error.time = last->time;
  }
  if (last->status.known()) {
    error.status = last->status.to_string();
  }
  error.reply = last->reply;
  return error;
}

std::optional<LastError> error_of(const queue::LastError* last) {
  if (last == nullptr) {
    return std::nullopt;
  }
  const std::string status = last->status.known() ? last->status.to_string() : std::string();
  return LastError{last->time, status, last->reply};
}

MessageView::Recipient recipient_of(const ShardView& view, const queue::QueuedMessage& message,
                                    const queue::QueuedRecipient& from) {
  MessageView::Recipient recipient;
  recipient.recipient = message.address_of(from);
  recipient.part = message.part();
  const std::uint32_t group = view.intake.place_to_tell(mail::domain_of(recipient.recipient)).group;
  recipient.group = view.assignment.groups()[group].settings.name;
  recipient.shard = view.assignment.shard_of(group);
  if (from.entry() != nullptr) {
    recipient.group = from.entry()->domain().group().settings().name;
    recipient.shard = view.shard;
  }
  recipient.attempts = from.attempts;
  recipient.last_error = error_of(from);
  if (from.entry() == nullptr) {
    const bool done = from.state() == queue::RecipientState::done && recipient.shard == view.shard;
    recipient.state = done ? "done" : moved;
    return recipient;
  }
  const queue::Lane* const lane = from.entry()->domain().lane();
  if (lane != nullptr) {
    recipient.destination = lane->destination().name();
  }
  const queue::Now now{view.reactor.now(), view.reactor.wall_now()};
  if (!recipient.last_error && lane != nullptr && lane->status().suspended(now.instant)) {
    recipient.last_error = error_of(lane->destination().last_error());
  }
  if (!recipient.last_error && lane == nullptr) {
    recipient.last_error = error_of(from.entry()->domain().last_error());
  }
  const Waiting waiting = waiting_of(*from.entry(), lane, now);
  recipient.state = waiting.state;
  recipient.next_attempt = waiting.next_attempt;
  return recipient;
}

MessageView view_of(const ShardView& view, const queue::QueuedMessage& from) {
  MessageView message;
  message.id = from.id().to_string();
  message.arrived = from.arrived();
  message.sender = from.sender();
  message.size = from.size();
  message.tenant = from.tenant();
  message.job = from.job_name();
  message.envid = from.envid();
  for (const queue::QueuedRecipient& recipient : from.recipients()) {
    message.recipients.push_back(recipient_of(view, from, recipient));
  }
  return message;
}

}  // namespace

Refusal no_message(std::string_view id) {
  return {404, "not_found", fmt::format("message {} is not in the queue", id),
          "it is done or never was here: the event log tells"};
}

Answer show(const ShardView& view, const ShowCommand& command) {
  const mail::MessageId id = mail::parse_message_id(command.id);
  std::vector<MessageView> parts;
  for (const queue::QueuedMessage* const part : view.messages.parts_of(id)) {
    parts.push_back(view_of(view, *part));
  }
  for (const AdoptedView& adopted : view.adopted) {
    for (const queue::QueuedMessage* const part : adopted.messages.parts_of(id)) {
      parts.push_back(view_of(view, *part));
    }
  }
  if (parts.empty()) {
    return no_message(command.id);
  }
  return join(std::move(parts));
}

MessageView join(std::vector<MessageView> parts) {
  check(!parts.empty(), "a message without parts");
  std::set<std::string_view> owned;
  for (const MessageView& part : parts) {
    for (const MessageView::Recipient& recipient : part.recipients) {
      if (recipient.state != moved) {
        owned.insert(recipient.recipient);
      }
    }
  }
  std::vector<MessageView::Recipient> recipients;
  for (const MessageView& part : parts) {
    for (const MessageView::Recipient& recipient : part.recipients) {
      if (recipient.state != moved || !owned.contains(recipient.recipient)) {
        recipients.push_back(recipient);
      }
    }
  }
  MessageView whole = std::move(parts.front());
  whole.recipients = std::move(recipients);
  return whole;
}

}  // namespace ringpost::control
