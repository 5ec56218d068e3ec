// TLS as a machine: two channels and the bytes between them, in pieces of any size. And the
// contexts: what certificates, keys and sessions they take.
#include "ringpost/net/tls_channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "harness/self_signed.h"
#include "ringpost/net/tls_context.h"

namespace ringpost::net {
namespace {

const bench::SelfSigned& identity() {
  static const bench::SelfSigned made = bench::make_self_signed("mx.test");
  return made;
}

std::unique_ptr<TlsContext> server_context() {
  return TlsContext::server(identity().certificate, identity().key).value();
}

std::unique_ptr<TlsContext> client_context(const ClientTlsSettings& settings = {}) {
  return TlsContext::client(settings).value();
}

// A file that trusts one certificate.
class TrustFile {
 public:
  explicit TrustFile(const std::string& certificate)
      : path_(testing::TempDir() + "ringpost-trust.pem") {
    std::FILE* const file = std::fopen(path_.c_str(), "wbe");
    std::fwrite(certificate.data(), 1, certificate.size(), file);
    std::fclose(file);
  }
  ~TrustFile() { std::remove(path_.c_str()); }
  [[nodiscard]] ClientTlsSettings settings() const { return {.verifies = true, .ca_file = path_}; }

 private:
  std::string path_;
};

// Both ends, and what is on its way between them.
struct Pair {
  Pair(TlsContext& server_tls, TlsContext& client_tls, const TlsPeer& peer = {"mx.test"})
      : server(server_tls.accept()), client(client_tls.connect(peer)) {
    client->start(to_server);
  }

  // Carries everything both ways, `piece` bytes at a time.
  void carry(std::size_t piece) {
    while (!to_server.empty() || !to_client.empty()) {
      const std::string there = to_server.substr(0, piece);
      to_server.erase(0, there.size());
      server->receive(there, at_server, to_client);
      const std::string here = to_client.substr(0, piece);
      to_client.erase(0, here.size());
      client->receive(here, at_client, to_server);
    }
  }
  [[nodiscard]] bool open() const {
    return server->state() == TlsChannel::State::open && client->state() == TlsChannel::State::open;
  }

  std::unique_ptr<TlsChannel> server;
  std::unique_ptr<TlsChannel> client;
  std::string to_server;
  std::string to_client;
  std::string at_server;
  std::string at_client;
};

TEST(TlsChannel, PiecesOfAnySizeMakeTheSameConversation) {
  const auto server = server_context();
  const auto client = client_context();
  for (std::size_t piece = 1; piece <= 80; ++piece) {
    Pair pair(*server, *client);
    pair.carry(piece);
    ASSERT_TRUE(pair.open()) << piece;
    pair.client->send("EHLO client.test\r\n", pair.to_server);
    pair.server->send("250 mx.test\r\n", pair.to_client);
    pair.carry(piece);
    EXPECT_EQ(pair.at_server, "EHLO client.test\r\n") << piece;
    EXPECT_EQ(pair.at_client, "250 mx.test\r\n") << piece;
    EXPECT_EQ(pair.client->version(), "TLSv1.3");
  }
}

TEST(TlsChannel, WhatComesWithTheEndOfTheHandshakeIsNotLost) {
  const auto server = server_context();
  const auto client = client_context();
  Pair pair(*server, *client);
  pair.server->receive(std::exchange(pair.to_server, {}), pair.at_server, pair.to_client);
  pair.client->receive(std::exchange(pair.to_client, {}), pair.at_client, pair.to_server);
  ASSERT_EQ(pair.client->state(), TlsChannel::State::open);
  pair.client->send("EHLO at once\r\n", pair.to_server);
  pair.carry(1U << 20);
  EXPECT_EQ(pair.at_server, "EHLO at once\r\n");
}

TEST(TlsChannel, PlainTextInsteadOfAHandshakeFailsAndIsNeverTakenForContent) {
  const auto server = server_context();
  for (const std::string& garbage :
       {std::string("EHLO plain.test\r\nMAIL FROM:<a@b>\r\n"),
        std::string("\x16\x03\x01\x00\x05xxxxx", 10), std::string(300, '\0'),
        std::string("GET / HTTP/1.0\r\n\r\n")}) {
    const auto channel = server->accept();
    std::string plaintext;
    std::string out;
    for (const char c : garbage) {
      channel->receive(std::string_view(&c, 1), plaintext, out);
    }
    EXPECT_EQ(channel->state(), TlsChannel::State::failed);
    EXPECT_FALSE(channel->problem().empty());
    EXPECT_TRUE(plaintext.empty());
    out.clear();
    channel->send("250 never in clear", out);
    EXPECT_TRUE(out.empty());
  }
}

TEST(TlsChannel, ARecordThatWasTamperedWithEndsIt) {
  const auto server = server_context();
  const auto client = client_context();
  Pair pair(*server, *client);
  pair.carry(1U << 20);
  pair.client->send("before", pair.to_server);
  pair.carry(1U << 20);
  pair.client->send("RCPT TO:<a@b>\r\n", pair.to_server);
  pair.to_server[pair.to_server.size() - 3] ^= 1;
  pair.carry(1U << 20);
  EXPECT_EQ(pair.server->state(), TlsChannel::State::failed);
  EXPECT_EQ(pair.at_server, "before");
  EXPECT_NE(pair.server->problem().find("bad record mac"), std::string::npos)
      << pair.server->problem();
}

TEST(TlsChannel, NothingIsTakenAfterCloseNotify) {
  const auto server = server_context();
  const auto client = client_context();
  Pair pair(*server, *client);
  pair.carry(1U << 20);
  pair.client->send("half a li", pair.to_server);
  pair.client->finish(pair.to_server);
  pair.to_server += "RSET in plain text\r\n";
  pair.server->receive(pair.to_server, pair.at_server, pair.to_client);
  EXPECT_EQ(pair.server->state(), TlsChannel::State::ended);
  EXPECT_EQ(pair.at_server, "half a li");
}

TEST(TlsContext, WithoutVerificationAnyCertificateWill) {
  const auto server = server_context();
  const auto client = client_context();
  Pair pair(*server, *client, {"quite.another"});
  pair.carry(100);
  EXPECT_TRUE(pair.open());
}

TEST(TlsContext, VerificationWantsTrustAndTheName) {
  const auto server = server_context();
  const TrustFile trusted(identity().certificate);
  const auto client = client_context(trusted.settings());
  Pair good(*server, *client, {"mx.test", true});
  good.carry(100);
  EXPECT_TRUE(good.open());
  EXPECT_FALSE(good.client->distrusted());

  Pair wrong_name(*server, *client, {"other.test", true});
  wrong_name.carry(100);
  EXPECT_EQ(wrong_name.client->state(), TlsChannel::State::failed);
  EXPECT_TRUE(wrong_name.client->distrusted());
  EXPECT_EQ(wrong_name.client->problem(), "hostname mismatch");
  EXPECT_EQ(wrong_name.server->state(), TlsChannel::State::failed) << "an alert tells the server";

  Pair address(*server, *client, {"192.0.2.1", true});
  address.carry(100);
  EXPECT_EQ(address.client->problem(), "IP address mismatch");

  const TrustFile other(bench::make_self_signed("mx.test").certificate);
  const auto stranger = client_context(other.settings());
  Pair unknown(*server, *stranger, {"mx.test", true});
  unknown.carry(100);
  EXPECT_EQ(unknown.client->state(), TlsChannel::State::failed);
  EXPECT_TRUE(unknown.client->distrusted());
}

// A whole conversation, so that the server's tickets arrive. True if it was resumed.
bool converse(TlsContext& server, TlsContext& client, const TlsPeer& peer) {
  Pair pair(server, client, peer);
  pair.carry(1000);
  pair.server->send("250", pair.to_client);
  pair.carry(1000);
  EXPECT_TRUE(pair.open());
  return pair.client->resumed();
}

TEST(TlsContext, SessionsAreResumedWhereTheyBelongAndTicketsUsedOnce) {
  const auto server = server_context();
  const TrustFile trusted(identity().certificate);
  const auto client = client_context(trusted.settings());
  EXPECT_FALSE(converse(*server, *client, {"mx.test", false, "25"}));
  EXPECT_EQ(client->sessions().size(), 1U);
  EXPECT_TRUE(converse(*server, *client, {"mx.test", false, "25"}));
  EXPECT_FALSE(converse(*server, *client, {"mx.test", true, "25"})) << "nobody verified that one";
  EXPECT_FALSE(converse(*server, *client, {"mx.test", false, "26"})) << "another server";
  EXPECT_FALSE(converse(*server, *client, {"mx2.test", false, "25"})) << "another server";
  EXPECT_EQ(client->sessions().size(), 4U);
  EXPECT_TRUE(converse(*server, *client, {"mx.test", true, "25"}));

  // One ticket, two connections at once: only one of them may use it.
  Pair first(*server, *client, {"mx.test", false, "25"});
  Pair second(*server, *client, {"mx.test", false, "25"});
  first.carry(1000);
  second.carry(1000);
  EXPECT_NE(first.client->resumed(), second.client->resumed());
}

TEST(TlsContext, ShardsResumeEachOthersSessions) {
  const auto one = server_context();
  const auto other = server_context();
  const auto client = client_context();
  EXPECT_FALSE(converse(*one, *client, {"mx.test"}));
  EXPECT_FALSE(converse(*other, *client, {"mx.test"}));
  ASSERT_TRUE(other->share_tickets_of(*one));
  EXPECT_FALSE(converse(*one, *client, {"fresh.test"}));
  EXPECT_TRUE(converse(*other, *client, {"fresh.test"}));
}

TEST(TlsContext, KeepsABoundedNumberOfSessions) {
  const auto server = server_context();
  const auto client = client_context({.most_sessions = 3});
  for (int number = 0; number < 6; ++number) {
    EXPECT_FALSE(converse(*server, *client, {"mx" + std::to_string(number) + ".test"}));
  }
  EXPECT_EQ(client->sessions().size(), 3U);
  EXPECT_FALSE(converse(*server, *client, {"mx0.test"})) << "the oldest one went";
  EXPECT_TRUE(converse(*server, *client, {"mx5.test"}));
}

std::string error_of(const Result<>& result) {
  return result ? "" : result.error().message;
}

TEST(TlsContext, SaysWhatIsWrongWithFiles) {
  const bench::SelfSigned other = bench::make_self_signed("mx.test");
  const auto mismatch = TlsContext::server(identity().certificate, other.key);
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().message, "the key does not belong to the certificate");
  EXPECT_FALSE(mismatch.error().remedy.empty());

  EXPECT_EQ(error_of(TlsContext::check_certificate("")), "holds no certificate in PEM form");
  EXPECT_EQ(error_of(TlsContext::check_certificate(identity().key)),
            "holds no certificate in PEM form");
  std::string damaged = identity().certificate;
  damaged.replace(damaged.size() / 2, 8, "########");
  EXPECT_TRUE(error_of(TlsContext::check_certificate(damaged)).starts_with("holds a damaged"));
  EXPECT_TRUE(
      error_of(TlsContext::check_key(identity().certificate)).starts_with("holds no private key"));
  EXPECT_EQ(error_of(TlsContext::check_certificate(identity().certificate + other.certificate)),
            "");
  const std::string locked =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAi3n7iJWyW8NQICCAAw\n"
      "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEE3g8wT3sCh3Rlz1dWvVYlAEgZCk\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  EXPECT_FALSE(error_of(TlsContext::check_key(locked)).empty());
  const auto no_trust = TlsContext::client({.verifies = true, .ca_file = "/nowhere/ca.pem"});
  ASSERT_FALSE(no_trust);
  EXPECT_TRUE(no_trust.error().message.starts_with("/nowhere/ca.pem cannot serve"));
}

}  // namespace
}  // namespace ringpost::net
