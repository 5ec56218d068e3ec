// A message of which recipients are still open on this shard, as the queue needs it in memory: kept
// compact, because there are millions. Owned by `Messages`, at a stable address, until its last
// recipient is done and the shard erases it. Never touches a disk: the location is opaque here.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ringpost/base/time.h"
#include "ringpost/mail/enhanced_status.h"
#include "ringpost/mail/message.h"
#include "ringpost/queue/contents.h"
#include "ringpost/queue/growing_table.h"
#include "ringpost/queue/holds.h"

namespace ringpost::queue {

class Entry;
class QueueGroup;
class QueuedMessage;

// Where the spool keeps the content; plain numbers that only the spool understands.
struct ContentLocation {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  bool operator==(const ContentLocation&) const = default;
};

// A tenant's campaign: what fairness is between. Shared by the messages that belong to it.
struct Job : TableHook<Job> {
  std::string tenant;
  std::string name;
  std::uint32_t number = 0;  // unique within this process
  std::uint32_t messages = 0;
  bool held = false;  // by the operator
};

enum class RecipientState : std::uint8_t { queued, in_flight, done };

// What the last delivery attempt came to; the reply is cut to 200 bytes.
struct LastAttempt {
  WallTime time;  // the epoch: before a restart
  mail::EnhancedStatus status;
  std::string reply;
};

// Whether a restart would find the message.
enum class Storage : std::uint8_t {
  on_disk,
  being_stored,  // its record is on the way
  memory,        // its queue group's durability allows that
};

class QueuedRecipient {
 public:
  [[nodiscard]] RecipientState state() const;
  [[nodiscard]] Entry* entry() const { return entry_; }  // nullptr: done, or not filed yet
  [[nodiscard]] const LastAttempt* last_attempt() const { return last_.get(); }
  void remember(mail::EnhancedStatus status, std::string_view reply, WallTime time = {});

  std::uint16_t attempts = 0;  // those that counted
  bool report_owed = false;    // failed, and its sender has not been told yet
  bool alone = false;          // was in doubt: shares no transaction and no flight any more

 private:
  friend class QueuedMessage;
  friend class Messages;
  friend class QueueGroup;
  friend class Entry;

  Entry* entry_ = nullptr;
  std::unique_ptr<LastAttempt> last_;
  std::uint32_t offset_ = 0;  // of the address in the message's texts
  std::uint32_t next_ = 0;    // the entry's next recipient
  std::uint16_t length_ = 0;
  bool done_ = false;
};

class QueuedMessage : public TableHook<QueuedMessage> {
 public:
  [[nodiscard]] mail::MessageId id() const { return id_; }
  [[nodiscard]] std::uint32_t part() const { return part_; }
  [[nodiscard]] WallTime arrived() const { return arrived_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }  // of the content, in bytes
  [[nodiscard]] bool eight_bit() const { return eight_bit_; }
  [[nodiscard]] bool utf8() const { return utf8_; }
  // What its sender asked of reports; null: nothing.
  [[nodiscard]] const mail::ReportRequest* reports() const { return reports_.get(); }
  [[nodiscard]] const mail::RecipientRequest* request_of(const QueuedRecipient& recipient) const {
    return reports_ == nullptr ? nullptr : reports_->of(index_of(recipient));
  }
  [[nodiscard]] std::string_view sender() const { return {texts_.get(), sender_length_}; }
  [[nodiscard]] std::string_view envid() const {
    return {texts_.get() + sender_length_, envid_length_};
  }
  [[nodiscard]] std::string_view tenant() const { return job_->tenant; }
  [[nodiscard]] std::string_view job_name() const { return job_->name; }
  [[nodiscard]] Job& job() const { return *job_; }

  [[nodiscard]] std::span<QueuedRecipient> recipients() const {
    return {recipients_.get(), recipient_count_};
  }
  [[nodiscard]] std::string_view address_of(const QueuedRecipient& recipient) const {
    return {texts_.get() + recipient.offset_, recipient.length_};
  }
  [[nodiscard]] std::uint32_t index_of(const QueuedRecipient& recipient) const {
    return static_cast<std::uint32_t>(&recipient - recipients_.get());
  }
  // For recovery: was done before the restart. Must not be filed.
  void set_done(std::uint32_t recipient);
  [[nodiscard]] std::uint32_t open_recipients() const { return open_; }

  // The content, while it is in memory; Contents decides that.
  [[nodiscard]] const std::string* content() const {
    return content_ == nullptr ? nullptr : &content_->bytes;
  }

  ContentLocation location;

 private:
  friend class Contents;
  friend class Messages;
  friend class QueueGroup;
  friend struct MessageTraits;

  mail::MessageId id_;
  WallTime arrived_;
  Job* job_ = nullptr;
  std::unique_ptr<Content> content_;
  std::unique_ptr<char[]> texts_;  // sender, envid, then the recipients' addresses
  std::unique_ptr<QueuedRecipient[]> recipients_;
  std::unique_ptr<const mail::ReportRequest> reports_;
  std::uint32_t recipient_count_ = 0;
  std::uint32_t open_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t part_ = 0;
  std::uint16_t sender_length_ = 0;
  std::uint16_t envid_length_ = 0;
  bool eight_bit_ = false;
  bool utf8_ = false;

 public:
  // The highest hop of the parts of it that were handed over from here.
  std::uint8_t given_hop = 0;
  Storage storage = Storage::on_disk;  // elsewhere, `location` means nothing
};

// There are millions: what few messages have lives elsewhere.
static_assert(sizeof(QueuedMessage) == 112);

struct MessageKey {
  mail::MessageId id;
  std::uint32_t part = 0;
  bool operator==(const MessageKey&) const = default;
};
struct MessageTraits {
  using Key = MessageKey;
  static Key key_of(const QueuedMessage& message) { return {message.id_, message.part_}; }
  // All parts of a message in one bucket, so that they are found together.
  static std::uint64_t hash(const Key& key) { return hash_of(key.id.value); }
  static bool equal(const Key& a, const Key& b) { return a == b; }
};
struct JobKey {
  std::string_view tenant;
  std::string_view name;
};
struct JobTraits {
  using Key = JobKey;
  static Key key_of(const Job& job) { return {job.tenant, job.name}; }
  static std::uint64_t hash(const Key& key) {
    return hash_of(hash_ignoring_case(key.tenant) + 3 * hash_ignoring_case(key.name));
  }
  static bool equal(const Key& a, const Key& b) { return a.tenant == b.tenant && a.name == b.name; }
};

// All messages of a shard with open recipients, and the jobs they belong to.
class Messages {
 public:
  Messages() = default;
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;
  ~Messages();

  // The id and part must be new here. `size` is the content's; the content itself comes by
  // contents() or stays on disk.
  QueuedMessage& add(mail::MessageId id, std::uint32_t part, WallTime arrived,
                     const mail::Envelope& envelope, std::uint64_t size, ContentLocation location);
  [[nodiscard]] QueuedMessage* find(mail::MessageId id, std::uint32_t part = 0) const;
  // All parts of a message that are here, by number.
  [[nodiscard]] std::vector<QueuedMessage*> parts_of(mail::MessageId id) const;
  // None of its recipients may be filed any more.
  void erase(QueuedMessage& message);
  [[nodiscard]] std::size_t size() const { return messages_.size(); }

  [[nodiscard]] Contents& contents() { return contents_; }
  [[nodiscard]] const Contents& contents() const { return contents_; }

  template <class Visit>
  void for_each(Visit visit) const {
    messages_.for_each(visit);
  }
  // In portions, between which anything may happen; `visit` may erase the message it is given.
  template <class Visit>
  void for_each_in(std::size_t bucket, Visit visit) const {
    messages_.for_each_in(bucket, visit);
  }
  [[nodiscard]] std::size_t buckets() const { return messages_.buckets(); }

  // Jobs named there are held from now on, others are not. To be called again after each change;
  // `holds` outlives the messages.
  void use_holds(const Holds& holds);

 private:
  Job& join_job(std::string_view tenant, std::string_view name);
  void leave_job(Job& job);

  GrowingTable<QueuedMessage, MessageTraits> messages_;
  GrowingTable<Job, JobTraits> jobs_;
  const Holds* holds_ = nullptr;
  std::uint32_t last_job_ = 0;
  Contents contents_;
};

}  // namespace ringpost::queue
