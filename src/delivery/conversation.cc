#include "ringpost/delivery/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "ringpost/base/log.h"
#include "ringpost/delivery/fates.h"

namespace ringpost::delivery {
namespace {

constexpr std::size_t flight_bytes = std::size_t{128} << 10;
// A server that does not answer an overlapped MAIL by then does not bear overlap.
constexpr Duration overlap_patience = 30s;
// Beyond this, contents on their way at the same time gain nothing and only take memory.
constexpr std::size_t most_bytes_under_way = std::size_t{1} << 20;
// Nothing wakes us when the last byte of a content leaves and the time for the dot's reply begins.
constexpr Duration look_at_content = 1s;
// Streams are for connections on which fewer than one message in so many is refused…
constexpr std::uint32_t sent_for_one_refused = 20;
// …and no more than so many in all.
constexpr std::uint32_t refusals_borne = 10;
// While contents come from disk: how often to look what is needed next.
constexpr std::uint32_t look_ahead_every = 4;

// Servers end a connection after some refusals (Postfix: 20), and take the replies to what was
// streamed beyond that point along. Without streams the content waits for the verdict on its
// recipients: nothing is in doubt then, and what would be refused is not even sent.
bool refuses_much(const Connection& connection) {
  return connection.refused_total >= refusals_borne ||
         connection.refused_total * sent_for_one_refused > connection.offered_total;
}

smtp::Mode bearable(smtp::Mode mode, const Connection& connection) {
  const bool too_much = mode == smtp::Mode::streamed && refuses_much(connection);
  return too_much ? smtp::Mode::overlapped : mode;
}

// RFC 3461 section 5.2.1: what the sender asked goes on as it came, to the first `count`
// recipients.
std::unique_ptr<const smtp::ReportParameters> report_parameters(const queue::Entry& entry,
                                                                std::size_t count) {
  const queue::QueuedMessage& message = entry.message();
  if (message.reports() == nullptr && message.envid().empty()) {
    return nullptr;
  }
  auto parameters = std::make_unique<smtp::ReportParameters>();
  parameters->mail = smtp::mail_report_parameters(
      message.reports() != nullptr ? message.reports()->returned : mail::Returned::unsaid,
      message.envid());
  for (const queue::QueuedRecipient& recipient : entry.recipients()) {
    if (parameters->rcpt.size() == count) {
      break;
    }
    const mail::RecipientRequest* const request = message.request_of(recipient);
    parameters->rcpt.push_back(request != nullptr ? smtp::rcpt_report_parameters(*request)
                                                  : std::string());
  }
  return parameters;
}

}  // namespace

Conversation::Conversation(Room room, queue::QueueGroup& group, queue::Seat& seat,
                           Connection& connection)
    : room_(room),
      group_(group),
      seat_(seat),
      connection_(connection),
      address_(connection.peer().endpoint.to_string()),
      started_(room.reactor.now()),
      pump_gate_(room.reactor.ready()) {}

HostRecord& Conversation::host() const {
  return room_.hosts.of(connection_.peer().endpoint, connection_.peer().source);
}

ring::Task<Conversation::End> Conversation::run() {
  connection_.start_transactions(bearable(host().mode(room_.reactor.now()), connection_),
                                 group_.settings().streaming_depth);
  smtp::ClientTransactions& machine = connection_.transactions();
  if (connection_.reused) {
    machine.begin_reuse();
  }
  while (true) {
    co_await offer_work();
    write_flight();
    if (machine.idle()) {
      break;
    }
    const net::Received bytes = co_await connection_.stream().receive(deadline());
    confirm_sent();
    if (bytes.result() == -ETIMEDOUT && !timed_out()) {
      continue;  // a large content still makes progress
    }
    if (bytes.result() <= 0) {
      lose(connection_.describe(bytes.result()));
    } else if (!feed(bytes.bytes())) {
      lose(machine.close_reason());
    }
    settle_results();
    if (machine.must_close()) {
      break;
    }
  }
  settle_results();
  if (machine.must_close()) {
    connection_.abort();
  }
  co_await pump_gate_.close();
  if (machine.must_close()) {
    co_return stale_ ? End::stale : End::broken;
  }
  co_return used_up() ? End::used_up : End::reusable;
}

// --- offering ------------------------------------------------------------------------------------

bool Conversation::may_offer() const {
  const smtp::ClientTransactions& machine = connection_.transactions();
  if (room_.stopping || turn_over_ || stale_ || machine.must_close() || !machine.can_offer()) {
    return false;
  }
  if (!under_way_.empty() && bearable(machine.mode(), connection_) != machine.mode()) {
    return false;  // what is streamed ends first
  }
  if (!under_way_.empty() && under_way_.back().entry->alone()) {
    return false;
  }
  if (under_way_.size() > 1 && bytes_under_way_ >= most_bytes_under_way) {
    return false;
  }
  return !used_up();
}

// No message may follow on this connection. In the cache it would be taken for one of use.
bool Conversation::used_up() const {
  const std::uint32_t offered = connection_.offered_total;
  const auto reached = [offered](std::uint64_t most) { return most != 0 && offered >= most; };
  return reached(group_.settings().max_messages_per_connection) ||
         reached(connection_.capabilities().mail_max.value_or(0)) ||
         reached(host().message_limit(room_.reactor.now()));
}

ring::Task<void> Conversation::offer_work() {
  while (may_offer()) {
    const queue::Now now{room_.reactor.now(), room_.reactor.wall_now()};
    if (group_.turn_over(seat_, offered_, started_, now)) {
      turn_over_ = true;
      co_return;
    }
    if (!room_.ledger.has_room()) {
      if (!under_way_.empty()) {
        co_return;  // the replies on their way matter more
      }
      co_await room_.ledger.room();
      continue;
    }
    if (!room_.share.may_begin()) {
      if (!under_way_.empty()) {
        co_return;
      }
      co_await room_.share.turn();
      continue;
    }
    queue::Entry* const entry = group_.next_entry(seat_, now);
    if (entry == nullptr) {
      co_return;
    }
    if (room_.ledger.suppresses() && room_.ledger.settle_suppressed(group_, *entry)) {
      continue;  // since it was filed the list has changed
    }
    UnderWay under_way;
    under_way.entry = entry;
    under_way.started = now.instant;
    if (entry->alone() && !under_way_.empty()) {
      group_.put_back(*entry, now);  // it goes when nothing else is under way
      co_return;
    }
    if (refuse_for_obstacle(under_way)) {
      continue;
    }
    room_.share.begin();
    const bool loaded = co_await load_content(under_way);
    if (!loaded) {
      room_.share.end();
      continue;
    }
    offer(std::move(under_way));
  }
}

ring::Task<bool> Conversation::load_content(UnderWay& under_way) {
  queue::Entry& entry = *under_way.entry;
  queue::QueuedMessage& message = entry.message();
  const bool from_disk = message.content() == nullptr || queue::Contents::is_ahead(message);
  if (from_disk && (message.content() == nullptr || offered_ % look_ahead_every == 0)) {
    room_.read_ahead.look_ahead(group_, *seat_.lane);
  }
  Result<> content = co_await room_.read_ahead.load(message);
  if (content) {
    co_return true;
  }
  // Never send a torn body: it waits for an operator, or for the disk to come back.
  log::error("content of message {} cannot be read: {}", entry.message().id().to_string(),
             content.error().describe());
  room_.ledger.settle(group_, entry, fates_for_all(entry, unreadable_content()),
                      Attempt(seat_.lane->destination().name(), under_way.started));
  co_return false;
}

bool Conversation::refuse_for_obstacle(UnderWay& under_way) {
  queue::Entry& entry = *under_way.entry;
  const queue::QueuedMessage& message = entry.message();
  const auto obstacle = smtp::find_obstacle(connection_.capabilities(),
                                            {message.size(), message.eight_bit(), message.utf8()});
  if (!obstacle) {
    return false;
  }
  mail::Outcome outcome = obstacle_outcome(*obstacle, connection_.peer().mx);
  outcome.mx = connection_.peer().mx;
  outcome.address = address_;
  Attempt attempt(seat_.lane->destination().name(), under_way.started);
  attempt.connection = connection_.id();
  attempt.tls = connection_.tls_version();
  attempt.source = connection_.peer().source;
  room_.ledger.settle(group_, entry, fates_for_all(entry, std::move(outcome)), attempt);
  return true;
}

void Conversation::offer(UnderWay under_way) {
  const smtp::Mode mode = bearable(connection_.transactions().mode(), connection_);
  if (mode != connection_.transactions().mode()) {
    connection_.transactions().use(mode, group_.settings().streaming_depth);
  }
  under_way.number = ++connection_.offered_total;
  ++offered_;
  UnderWay& offered = under_way_.emplace_back(std::move(under_way));
  const queue::QueuedMessage& message = offered.entry->message();
  // RFC 9422: what is beyond RCPTMAX goes in another transaction, no attempt counted. Of domains a
  // transaction has one, which any RCPTDOMAINMAX allows.
  const std::uint64_t most =
      connection_.capabilities().rcpt_max.value_or(std::numeric_limits<std::uint64_t>::max());
  for (const queue::QueuedRecipient& recipient : offered.entry->recipients()) {
    if (offered.recipients.size() >= most) {
      break;
    }
    offered.recipients.push_back(message.address_of(recipient));
  }
  smtp::Transaction transaction;
  transaction.token = offered.number;
  transaction.sender = message.sender();
  transaction.recipients = offered.recipients;
  transaction.content = *message.content();
  transaction.eight_bit = message.eight_bit();
  transaction.utf8 = message.utf8();
  if (connection_.capabilities().dsn) {
    offered.reports = report_parameters(*offered.entry, offered.recipients.size());
    transaction.reports = offered.reports.get();
  }
  offered.size = transaction.content.size();
  bytes_under_way_ += offered.size;
  connection_.transactions().offer(transaction);
}

// --- bytes ---------------------------------------------------------------------------------------

bool Conversation::fill(std::string& flight) {
  if (!connection_.followed()) {
    return connection_.transactions().fill(flight, flight_bytes);
  }
  std::string told;
  const bool more = connection_.transactions().fill(flight, flight_bytes, &told);
  connection_.tell(TraceKind::sent, told);
  return more;
}

void Conversation::write_flight() {
  if (pumping_ || connection_.transactions().must_close()) {
    return;
  }
  std::string flight;
  const bool more = fill(flight);
  if (!flight.empty()) {
    connection_.stream().write(std::move(flight));
  }
  if (more) {
    pumping_ = true;
    pump_gate_.spawn(pump());
  }
}

ring::Task<void> Conversation::pump() {
  net::Stream& stream = connection_.stream();
  bool more = true;
  while (more && !connection_.transactions().must_close()) {
    const bool alive = co_await stream.sent_down_to(flight_bytes, never);
    if (!alive || connection_.transactions().must_close()) {
      break;
    }
    std::string flight;
    more = fill(flight);
    if (!flight.empty()) {
      stream.write(std::move(flight));
    }
  }
  pumping_ = false;
}

void Conversation::confirm_sent() {
  const std::uint64_t sent = connection_.stream().bytes_sent();
  const std::uint64_t before = connection_.bytes_confirmed;
  if (sent > before) {
    connection_.transactions().sent(sent - before);
    connection_.bytes_confirmed = sent;
  }
}

bool Conversation::feed(std::string_view bytes) {
  smtp::ClientTransactions& machine = connection_.transactions();
  smtp::ReplyParser& parser = connection_.parser();
  while (!bytes.empty()) {
    const smtp::ReplyParser::Fed fed = parser.feed(bytes);
    bytes.remove_prefix(fed.consumed);
    if (fed.status == smtp::ReplyParser::Status::need_more) {
      return true;
    }
    if (fed.status == smtp::ReplyParser::Status::malformed) {
      machine.protocol_error(parser.describe_malformed());
      return false;
    }
    if (connection_.followed()) {
      connection_.tell(TraceKind::said, smtp::shown(parser.reply()));
    }
    sent_away_ |= parser.reply().code == 421;
    if (!machine.feed(parser.reply())) {
      return false;
    }
  }
  return true;
}

void Conversation::lose(std::string text) {
  smtp::ClientTransactions& machine = connection_.transactions();
  const auto awaited = machine.oldest_unanswered();
  trouble_.stage = awaited ? awaited->stage : smtp::Stage::mail;
  trouble_.status = smtp::classify_silence(trouble_.stage).status;
  trouble_.text = fmt::format("{} [{}] {}: {}", connection_.peer().mx, address_,
                              smtp::name_of(trouble_.stage), text);
  connection_.tell(TraceKind::event, trouble_.text);
  // On a connection from the cache that was stale it is no fault of streaming; nor is a farewell,
  // unless it followed refusals: the next one could take replies along.
  const bool streaming = machine.mode() == smtp::Mode::streamed && under_way_.size() > 1;
  const bool farewell = sent_away_ && connection_.refused_total == 0;
  if (streaming && !farewell && !connection_.reused) {
    host().learn_trouble(smtp::Mode::streamed, room_.reactor.now());
  }
  if (!machine.must_close()) {
    machine.connection_lost();
  }
}

// --- deadlines -----------------------------------------------------------------------------------

Duration Conversation::time_for(const smtp::Unanswered& unanswered) const {
  const config::Timeouts& timeouts = room_.timeouts;
  switch (unanswered.stage) {
    case smtp::Stage::rset:
      return unanswered.overlapped ? std::min(timeouts.rset, overlap_patience) : timeouts.rset;
    case smtp::Stage::mail:
      return unanswered.overlapped ? std::min(timeouts.mail, overlap_patience) : timeouts.mail;
    case smtp::Stage::rcpt:
      return timeouts.rcpt;
    case smtp::Stage::data:
      return timeouts.datainit;
    case smtp::Stage::content:
      return timeouts.datablock;
    case smtp::Stage::final_dot:
      return timeouts.datafinal;
    default:
      return timeouts.misc;
  }
}

Instant Conversation::deadline() {
  const auto unanswered = connection_.transactions().oldest_unanswered();
  if (!unanswered) {
    awaited_.reset();
    return room_.reactor.now() + room_.timeouts.misc;
  }
  if (unanswered != awaited_) {
    awaited_ = unanswered;
    awaited_since_ = room_.reactor.now();
    sent_at_deadline_ = connection_.stream().bytes_sent();
  }
  const Instant last = awaited_since_ + time_for(*unanswered);
  return unanswered->stage == smtp::Stage::content
             ? std::min(last, room_.reactor.now() + look_at_content)
             : last;
}

// Whether the stage that was waited for has really run out of time.
bool Conversation::timed_out() {
  const auto unanswered = connection_.transactions().oldest_unanswered();
  if (unanswered && unanswered->stage == smtp::Stage::content &&
      connection_.stream().bytes_sent() > sent_at_deadline_) {
    sent_at_deadline_ = connection_.stream().bytes_sent();
    awaited_since_ = room_.reactor.now();
    return false;
  }
  if (unanswered != awaited_) {
    return false;
  }
  if (unanswered && room_.reactor.now() < awaited_since_ + time_for(*unanswered)) {
    return false;
  }
  if (unanswered && unanswered->overlapped &&
      (unanswered->stage == smtp::Stage::mail || unanswered->stage == smtp::Stage::rset)) {
    host().learn_trouble(connection_.transactions().mode(), room_.reactor.now());
  }
  return true;
}

// --- results -------------------------------------------------------------------------------------

void Conversation::learn(const smtp::TransactionResult& result) {
  if (result.content_accepted) {
    ++connection_.delivered_total;
    HostRecord& server = host();
    server.status.mark_success(group_.settings().max_connections_per_destination);
    if (connection_.capabilities().pipelining) {
      server.learn_clean(result.overlapped);
      allow(bearable(server.mode(room_.reactor.now()), connection_));
    }
    group_.lane_succeeded(*seat_.lane, {room_.reactor.now(), room_.reactor.wall_now()});
  }
  connection_.reused = connection_.reused && !result.mail_answered;
}

// More than before; less only when nothing is under way.
void Conversation::allow(smtp::Mode mode) {
  if (mode == smtp::Mode::overlapped) {
    connection_.transactions().allow_overlap();
  } else if (mode == smtp::Mode::streamed) {
    connection_.transactions().allow_streaming(group_.settings().streaming_depth);
  }
}

void Conversation::settle_results() {
  while (connection_.transactions().take_result(result_)) {
    UnderWay done = std::move(under_way_.front());
    under_way_.pop_front();
    bytes_under_way_ -= done.size;
    room_.share.end();
    if (connection_.reused && !result_.mail_answered && connection_.transactions().must_close()) {
      stale_ = true;
    }
    learn(result_);
    room_.messages.contents().leave(done.entry->message());
    std::vector<Ledger::Fate> fates;
    fates.reserve(result_.recipients.size());
    bool refused = false;
    for (const smtp::RecipientVerdict& verdict : result_.recipients) {
      fates.push_back(fate_of(result_, verdict));
      const std::optional<smtp::Reply> reply = result_.reply(verdict);
      refused |= verdict.verdict == smtp::Verdict::refused && reply && reply->code != 421;
    }
    fates.resize(done.entry->count());  // those that were not offered: again
    if (!connection_.capabilities().dsn) {
      mark_relayed(*done.entry, fates);
    }
    connection_.refused_total += refused ? 1 : 0;
    Attempt attempt(seat_.lane->destination().name(), done.started);
    attempt.connection = connection_.id();
    attempt.transaction = done.number;
    attempt.tls = connection_.tls_version();
    attempt.source = connection_.peer().source;
    room_.ledger.settle(group_, *done.entry, std::move(fates), attempt);
  }
}

Ledger::Fate Conversation::fate_of(const smtp::TransactionResult& result,
                                   const smtp::RecipientVerdict& verdict) const {
  const bool served = connection_.delivered_total + connection_.refused_total != 0;
  Ledger::Fate fate = fate_of_verdict(result, verdict, trouble_.text, served);
  fate.outcome.mx = connection_.peer().mx;
  fate.outcome.address = address_;
  return fate;
}

}  // namespace ringpost::delivery
