#include "sim/mail_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace ringpost::sim {
namespace {

const IpAddress relay_address = SimWorld::address("10.0.0.1");
const Endpoint name_server{SimWorld::address("10.0.0.53"), 53};

std::string content_of(unsigned number, std::size_t size) {
  std::string content = fmt::format("Subject: message {}\r\n\r\n", number);
  std::string line;
  while (content.size() < size) {
    // Some lines begin with dots.
    line = content.size() % 3 == 0 ? "." : "";
    while (line.size() < 60) {
      line += static_cast<char>('a' + (number + content.size() + line.size() * 7) % 26);
    }
    content += line + "\r\n";
  }
  return content;
}

}  // namespace

MailWorld::MailWorld(std::uint64_t seed, std::uint32_t shards,
                     const std::vector<std::string>& settings)
    : world(seed),
      names(world, name_server),
      relay(world, relay_address, name_server, shards, settings) {
  add_site("sender.example");
}

MailServer& MailWorld::add_site(const std::string& domain, Personality personality,
                                const std::string& host_name) {
  const auto number = sites_.size() + 1;
  const IpAddress address =
      SimWorld::address(fmt::format("10.1.{}.{}", number / 200, number % 200 + 1));
  const std::string host = host_name.empty() ? "mx." + domain : host_name;
  names.add_mx(domain, 10, host);
  names.add_address(host, address);
  site_addresses_[domain] = address;
  auto& site = sites_[domain];
  site = std::make_unique<MailServer>(world, host, std::vector<IpAddress>(1, address),
                                      std::move(personality));
  return *site;
}

SentMessage& MailWorld::write(const std::vector<std::string>& recipients, std::size_t size) {
  const unsigned number = ++numbers_;
  SentMessage& message = written_.emplace_back();
  message.sender = fmt::format("m{}@sender.example", number);
  message.recipients = recipients;
  message.content = content_of(number, size);
  return message;
}

void MailWorld::begin_inject(std::size_t connections) {
  std::vector<std::vector<SentMessage>*> shares;
  for (std::size_t number = 0; number < connections; ++number) {
    shares.push_back(&sent_.emplace_back());
  }
  for (std::size_t number = 0; number < written_.size(); ++number) {
    shares[number % connections]->push_back(std::move(written_[number]));
  }
  written_.clear();
  for (std::vector<SentMessage>* const share : shares) {
    const unsigned number = ++next_client_;
    const IpAddress address =
        SimWorld::address(fmt::format("10.2.{}.{}", number / 200, number % 200 + 1));
    clients_.push_back(std::make_unique<MailClient>(world, address));
    clients_.back()->send(relay.endpoint(), *share);
  }
}

bool MailWorld::injecting() const {
  return std::ranges::any_of(clients_, [](const auto& client) { return client->busy(); });
}

bool MailWorld::inject(std::size_t connections, Duration longest) {
  begin_inject(connections);
  const bool ended = world.run_until([this] { return !injecting(); }, longest);
  clients_.clear();
  return ended;
}

std::size_t MailWorld::queued() {
  std::size_t messages = 0;
  for (std::uint32_t number = 0; number < relay.shards(); ++number) {
    messages += relay.shard(number).view().messages.size();
    for (const control::AdoptedView& adopted : relay.shard(number).view().adopted) {
      messages += adopted.messages.size();
    }
  }
  return messages;
}

bool MailWorld::settle(Duration longest) {
  const Instant deadline = world.clock().now() + longest;
  while (world.clock().now() < deadline) {
    world.run_for(1s);
    if (!injecting() && queued() == 0) {
      world.run_for(5s);  // reports
      if (queued() == 0) {
        return true;
      }
    }
  }
  return false;
}

std::map<Recipient, Told> MailWorld::told() const {
  std::map<Recipient, Told> told;
  std::istringstream lines(relay.events());
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_discarded() || event.at("recipient").is_null()) {
      continue;  // torn in a crash; about a whole destination
    }
    const std::string kind = event.at("event");
    Told& one = told[{event.at("sender"), event.at("recipient")}];
    one.received += kind == "received" ? 1 : 0;
    one.delivered += kind == "delivered" ? 1 : 0;
    one.bounced += kind == "bounced" ? 1 : 0;
    one.expired += kind == "expired" ? 1 : 0;
    one.deferred += kind == "deferred" ? 1 : 0;
    one.in_doubt += kind == "in_doubt" ? 1 : 0;
  }
  return told;
}

std::size_t MailWorld::copies(const std::string& sender, const std::string& recipient) const {
  const auto site = sites_.find(recipient.substr(recipient.find('@') + 1));
  return site == sites_.end() ? 0 : site->second->copies_of(sender, recipient);
}

bool MailWorld::reported(const SentMessage& message, const std::string& recipient) const {
  return std::ranges::any_of(sites_.at("sender.example")->taken, [&](const TakenMessage& report) {
    return report.sender.empty() && report.recipient == message.sender &&
           report.content.find(recipient) != std::string::npos;
  });
}

std::string MailWorld::wrong_with(const SentMessage& message, const std::string& recipient,
                                  const Told& told, bool crashed) const {
  const std::string name = message.sender + " to " + recipient;
  std::string wrong;
  const std::size_t taken = copies(message.sender, recipient);
  // A power cut may take lines of the event log along; then only the sites can tell.
  const bool ended =
      told.final_outcomes() > 0 || (crashed && (taken > 0 || reported(message, recipient)));
  if (!ended) {
    wrong += fmt::format("{}: no final outcome\n", name);
  }
  if (told.delivered > 0 && taken == 0) {
    wrong += fmt::format("{}: said to be delivered, and is not\n", name);
  }
  if (told.delivered > 0 && told.bounced + told.expired > 0) {
    wrong += fmt::format("{}: delivered and failed\n", name);
  }
  const auto most_copies = static_cast<std::size_t>(1 + told.in_doubt);
  if (!crashed && (told.final_outcomes() > 1 || taken > most_copies)) {
    wrong += fmt::format("{}: {} final outcomes, {} copies, {} times in doubt\n", name,
                         told.final_outcomes(), taken, told.in_doubt);
  }
  const auto site = sites_.find(recipient.substr(recipient.find('@') + 1));
  if (site != sites_.end()) {
    for (const TakenMessage& copy : site->second->taken) {
      if (copy.sender == message.sender && copy.recipient == recipient &&
          !copy.content.ends_with(message.content)) {
        wrong += fmt::format("{}: its content has changed\n", name);
      }
    }
  }
  return wrong;
}

std::string MailWorld::what_is_wrong(bool crashed) const {
  const std::map<Recipient, Told> all = told();
  std::string wrong;
  for (const std::vector<SentMessage>& share : sent_) {
    for (const SentMessage& message : share) {
      for (std::size_t number = 0; number < message.recipients.size(); ++number) {
        if (!message.answered() || !message.accepted[number]) {
          continue;
        }
        const auto found = all.find({message.sender, message.recipients[number]});
        wrong += wrong_with(message, message.recipients[number],
                            found == all.end() ? Told() : found->second, crashed);
      }
    }
  }
  return wrong;
}

std::string MailWorld::complaints() const {
  std::string all;
  for (const auto& [domain, site] : sites_) {
    all += site->complaints.empty() ? "" : domain + ": " + site->complaints;
  }
  return all;
}

}  // namespace ringpost::sim
