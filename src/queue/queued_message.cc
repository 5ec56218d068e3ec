#include "ringpost/queue/queued_message.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "ringpost/base/check.h"

namespace ringpost::queue {

namespace {

// Whether there is one decides about much; what it said is shown to people, who need no more.
constexpr std::size_t longest_reply = 200;

std::uint16_t short_length(std::string_view text) {
  check(text.size() <= std::numeric_limits<std::uint16_t>::max(),
        "an address is longer than any session lets in");
  return static_cast<std::uint16_t>(text.size());
}

}  // namespace

void QueuedRecipient::remember(mail::EnhancedStatus status, std::string_view reply, WallTime time) {
  if (last_ == nullptr) {
    last_ = std::make_unique<LastAttempt>();
  }
  last_->time = time;
  last_->status = status;
  last_->reply.assign(reply.substr(0, longest_reply));
}

void QueuedMessage::set_done(std::uint32_t recipient) {
  check(recipient < recipient_count_, "no such recipient");
  QueuedRecipient& done = recipients_[recipient];
  check(done.entry_ == nullptr && !done.done_, "only a recipient that is not filed can be done");
  done.done_ = true;
  --open_;
}

Messages::~Messages() {
  messages_.for_each([this](QueuedMessage& message) {
    contents_.drop(message);
    messages_.remove(message);
    delete &message;
  });
  jobs_.for_each([this](Job& job) {
    jobs_.remove(job);
    delete &job;
  });
}

QueuedMessage& Messages::add(mail::MessageId id, std::uint32_t part, WallTime arrived,
                             const mail::Envelope& envelope, std::uint64_t size,
                             ContentLocation location) {
  check(find(id, part) == nullptr, "a message is queued twice");
  check(size <= std::numeric_limits<std::uint32_t>::max(), "a message of more than 4 GiB");
  std::size_t text_bytes = envelope.sender.size() + envelope.envid.size();
  for (const std::string& address : envelope.recipients) {
    text_bytes += address.size();
  }
  auto message = std::make_unique<QueuedMessage>();
  message->id_ = id;
  message->part_ = part;
  message->arrived_ = arrived;
  message->location = location;
  message->size_ = static_cast<std::uint32_t>(size);
  message->eight_bit_ = envelope.eight_bit;
  message->utf8_ = envelope.utf8;
  if (!envelope.reports.empty()) {
    message->reports_ = std::make_unique<const mail::ReportRequest>(envelope.reports);
  }
  message->texts_ = std::make_unique_for_overwrite<char[]>(text_bytes);
  message->recipient_count_ = static_cast<std::uint32_t>(envelope.recipients.size());
  message->open_ = message->recipient_count_;
  message->recipients_ = std::make_unique<QueuedRecipient[]>(envelope.recipients.size());

  std::uint32_t used = 0;
  const auto append = [&](std::string_view text) {
    std::memcpy(message->texts_.get() + used, text.data(), text.size());
    used += static_cast<std::uint32_t>(text.size());
    return short_length(text);
  };
  message->sender_length_ = append(envelope.sender);
  message->envid_length_ = append(envelope.envid);
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    QueuedRecipient& recipient = message->recipients_[i];
    recipient.offset_ = used;
    recipient.length_ = append(envelope.recipients[i]);
  }
  message->job_ = &join_job(envelope.tenant, envelope.job);
  messages_.insert(*message);
  return *message.release();
}

QueuedMessage* Messages::find(mail::MessageId id, std::uint32_t part) const {
  return messages_.find({id, part});
}

std::vector<QueuedMessage*> Messages::parts_of(mail::MessageId id) const {
  std::vector<QueuedMessage*> parts;
  messages_.for_each_like({id, 0}, [&parts, id](QueuedMessage& message) {
    if (message.id() == id) {
      parts.push_back(&message);
    }
  });
  std::ranges::sort(parts, {}, &QueuedMessage::part);
  return parts;
}

void Messages::erase(QueuedMessage& message) {
  for (const QueuedRecipient& recipient : message.recipients()) {
    check(recipient.entry() == nullptr, "a message goes while a recipient is queued");
  }
  contents_.drop(message);
  leave_job(*message.job_);
  messages_.remove(message);
  delete &message;
}

Job& Messages::join_job(std::string_view tenant, std::string_view name) {
  Job* job = jobs_.find({tenant, name});
  if (job == nullptr) {
    job = new Job;
    job->tenant = tenant;
    job->name = name;
    job->number = ++last_job_;
    job->held = holds_ != nullptr && holds_->jobs.contains(name);
    jobs_.insert(*job);
  }
  ++job->messages;
  return *job;
}

void Messages::use_holds(const Holds& holds) {
  holds_ = &holds;
  jobs_.for_each([&holds](Job& job) { job.held = holds.jobs.contains(job.name); });
}

void Messages::leave_job(Job& job) {
  if (--job.messages == 0) {
    jobs_.remove(job);
    delete &job;
  }
}

}  // namespace ringpost::queue
