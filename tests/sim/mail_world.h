// A small world of mail: a relay, the people who send through it, the sites they write to, and a
// name server. For the tests of delivery, intake and listener. Every message has a sender of its
// own, so that what became of it can be followed everywhere.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/mail_client.h"
#include "sim/mail_name_service.h"
#include "sim/mail_relay.h"
#include "sim/mail_server.h"

namespace ringpost::sim {

// What the event log says of one recipient of one message.
struct Told {
  int received = 0;
  int delivered = 0;
  int bounced = 0;
  int expired = 0;
  int deferred = 0;
  int in_doubt = 0;

  [[nodiscard]] int final_outcomes() const { return delivered + bounced + expired; }
};
using Recipient = std::pair<std::string, std::string>;  // of the message from …, to …

class MailWorld {
 public:
  explicit MailWorld(std::uint64_t seed, std::uint32_t shards = 1,
                     const std::vector<std::string>& settings = {});

  // A domain with one MX host at one address. Its name is "mx." and the domain, if none is given.
  MailServer& add_site(const std::string& domain, Personality personality = {},
                       const std::string& host_name = {});
  // From now on the domain's server goes by another name.
  void rename_host(const std::string& domain, const std::string& host_name) {
    names.add_address(host_name, site_address(domain));
    names.change_mx(domain, host_name);
  }
  // Where reports about failed messages go.
  [[nodiscard]] MailServer& senders_site() { return *sites_.at("sender.example"); }
  [[nodiscard]] IpAddress site_address(const std::string& domain) const {
    return site_addresses_.at(domain);
  }

  // Adds a message that the next inject() sends. Its sender is unique.
  SentMessage& write(const std::vector<std::string>& recipients, std::size_t size = 500);
  // Sends what was written over so many connections and waits until all of it was answered or cut
  // off. False if that took longer than `longest`.
  bool inject(std::size_t connections = 1, Duration longest = 10min);
  // The same without waiting.
  void begin_inject(std::size_t connections = 1);
  [[nodiscard]] bool injecting() const;

  // Runs until the relay has nothing left to do for anyone; false if it takes longer.
  bool settle(Duration longest);
  void run_minutes(int minutes) { world.run_for(std::chrono::minutes(minutes)); }
  // Messages that the relay's shards still have in their queues.
  [[nodiscard]] std::size_t queued();

  [[nodiscard]] std::map<Recipient, Told> told() const;
  // All that was sent so far.
  [[nodiscard]] const std::deque<std::vector<SentMessage>>& sent() const { return sent_; }

  // Every recipient that was accepted and answered 250 was delivered, whole, or failed, but not
  // both; twice only where it was in doubt, or at any time where `crashed`. Returns what is wrong,
  // a line each.
  [[nodiscard]] std::string what_is_wrong(bool crashed = false) const;
  [[nodiscard]] std::string complaints() const;
  // The most connections that the relay had open to the domain's host at once.
  [[nodiscard]] std::size_t most_connections(const std::string& domain) const {
    return world.network().most_open({site_address(domain), 25});
  }
  [[nodiscard]] std::size_t copies(const std::string& sender, const std::string& recipient) const;

  SimWorld world;
  NameService names;
  MailRelay relay;

 private:
  [[nodiscard]] bool reported(const SentMessage& message, const std::string& recipient) const;
  [[nodiscard]] std::string wrong_with(const SentMessage& message, const std::string& recipient,
                                       const Told& told, bool crashed) const;

  std::map<std::string, std::unique_ptr<MailServer>> sites_;
  std::map<std::string, IpAddress> site_addresses_;
  std::deque<std::vector<SentMessage>> sent_;  // by connection
  std::vector<SentMessage> written_;
  std::vector<std::unique_ptr<MailClient>> clients_;
  unsigned numbers_ = 0;
  unsigned next_client_ = 0;
};

}  // namespace ringpost::sim
