#include "ringpost/listener/session.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "ringpost/base/log.h"

namespace ringpost::listener {
namespace {

// Replies that a client does not read: beyond this we read no further commands.
constexpr std::uint64_t most_unsent_bytes = std::uint64_t{64} << 10;

std::string reply_to(intake::Verdict verdict, const mail::MessageId& id) {
  switch (verdict) {
    case intake::Verdict::accepted:
      return fmt::format("250 2.0.0 Ok: queued as {}\r\n", id.to_string());
    case intake::Verdict::no_space:
      return "452 4.3.1 Insufficient spool space, try again later\r\n";
    case intake::Verdict::failed:
    case intake::Verdict::number_taken:
      break;
  }
  return "451 4.3.0 The message could not be stored, try again later\r\n";
}

}  // namespace

Session::Session(ring::Reactor& reactor, intake::Intake& intake, int fd,
                 const smtp::ServerSettings& settings, smtp::ClientInfo client,
                 mail::IdSequence& ids, net::TlsContext* tls, Duration command_timeout,
                 Duration block_timeout)
    : reactor_(reactor),
      intake_(intake),
      stream_(reactor, fd),
      machine_(settings, client, ids),
      tls_(tls),
      client_(std::move(client.address)),
      command_timeout_(command_timeout),
      block_timeout_(block_timeout),
      submissions_(reactor.ready()) {}

void Session::flush() {
  if (machine_.has_output()) {
    stream_.write(machine_.take_output());
  }
}

ring::Task<void> Session::run(std::string early) {
  machine_.greet();
  flush();
  bool open = true;
  std::uint64_t progress = machine_.progress();
  Instant progressed = reactor_.now();
  while (open && !(shutting_down_ && !machine_.in_transaction())) {
    const Duration patience = machine_.in_content() ? block_timeout_ : command_timeout_;
    net::Received received(0);
    if (early.empty()) {
      received = co_await stream_.receive(progressed + patience);
    } else {
      const int length = static_cast<int>(early.size());
      received = net::Received(length, std::exchange(early, {}));
    }
    if (received.result() == -ETIMEDOUT) {
      machine_.time_out();
      break;
    }
    if (received.result() <= 0) {
      break;
    }
    const Next next = co_await consume(received);
    received.release();
    flush();
    open = next != Next::end;
    if (next == Next::start_tls) {
      open = co_await start_tls();
    }
    if (open && stream_.bytes_unsent() > most_unsent_bytes) {
      open = co_await stream_.sent_down_to(most_unsent_bytes, reactor_.now() + command_timeout_);
    }
    if (machine_.progress() != progress) {
      progress = machine_.progress();
      progressed = reactor_.now();
    }
  }
  if (shutting_down_ && !machine_.closing()) {
    machine_.shut_down();
  }
  intake_.give_back(std::exchange(grant_, {}));
  co_await submissions_.close();
  flush();
  stream_.finish();
  co_await stream_.sent_down_to(0, reactor_.now() + command_timeout_);
  co_await stream_.close();
}

ring::Task<bool> Session::start_tls() {
  const Instant deadline = reactor_.now() + command_timeout_;
  const Result<> shaken = co_await stream_.start_tls(tls_->accept(), deadline);
  if (!shaken) {
    log::info("TLS handshake with client [{}]: {}", client_, shaken.error().describe());
    machine_.abandon();
    co_return false;
  }
  machine_.tls_started();
  co_return true;
}

ring::Task<void> Session::get_memory() {
  const bool granted =
      co_await intake_.grow(grant_, machine_.wanted_memory(), machine_.recipients());
  if (granted) {
    machine_.allow_memory();
  } else {
    machine_.refuse_memory();
  }
}

ring::Task<Session::Next> Session::consume(net::Received& received) {
  std::string_view bytes = received.bytes();
  std::string kept;
  while (true) {
    const smtp::ServerSession::Progress progress = machine_.feed(bytes, reactor_.wall_now());
    bytes.remove_prefix(progress.consumed);
    if (progress.step != smtp::ServerSession::Step::message && grant_.bytes > 0 &&
        machine_.allowed_memory() == 0) {
      intake_.give_back(std::exchange(grant_, {}));  // the content was refused
    }
    switch (progress.step) {
      case smtp::ServerSession::Step::need_more:
        co_return Next::receive;
      case smtp::ServerSession::Step::start_tls:
        co_return Next::start_tls;
      case smtp::ServerSession::Step::close:
        co_return Next::end;
      case smtp::ServerSession::Step::message: {
        auto message = std::make_unique<mail::Message>(machine_.take_message());
        const std::uint64_t number = machine_.last_message_number();
        submissions_.spawn(submit(number, std::move(message), std::exchange(grant_, {})));
        break;
      }
      case smtp::ServerSession::Step::memory:
        flush();
        kept = bytes;
        bytes = kept;
        received.release();
        co_await get_memory();
        break;
      case smtp::ServerSession::Step::full:
        flush();
        co_await completed_.wait();
        break;
    }
  }
}

ring::Task<void> Session::submit(std::uint64_t number, std::unique_ptr<mail::Message> message,
                                 intake::MemoryGrant grant) {
  const mail::MessageId id = message->id;
  const intake::Verdict verdict = co_await intake_.accept(std::move(message));
  intake_.give_back(grant);
  machine_.complete(number, reply_to(verdict, id));
  flush();
  completed_.notify_all();
}

void Session::shut_down() {
  shutting_down_ = true;
  if (!machine_.in_transaction()) {
    stream_.cancel_receive();
  }
}

}  // namespace ringpost::listener
