#include "ringpost/net/tls_context.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>
#include <vector>

#include "ringpost/base/check.h"
#include "ringpost/base/ip_address.h"

namespace ringpost::net {
namespace {

struct FreePart {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Memory = std::unique_ptr<BIO, FreePart>;
using Certificate = std::unique_ptr<X509, FreePart>;
using Key = std::unique_ptr<EVP_PKEY, FreePart>;

// OpenSSL's words for its first error; empties its list.
std::string reason() {
  const unsigned long code = ERR_peek_error();
  const char* const text = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string words = text == nullptr ? "no reason given" : text;
  ERR_clear_error();
  return words;
}

Memory memory_of(std::string_view text) {
  Memory memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  check(memory != nullptr, "OpenSSL has no memory");
  return memory;
}

// A daemon has nobody to ask.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<std::vector<Certificate>> parse_certificates(std::string_view text) {
  const Memory memory = memory_of(text);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  bool asked = false;
  while (X509* const next = PEM_read_bio_X509(memory.get(), nullptr, no_password, &asked)) {
    certificates.emplace_back(next);
  }
  const unsigned long code = ERR_peek_last_error();
  if (ERR_GET_REASON(code) == PEM_R_NO_START_LINE && !certificates.empty()) {
    ERR_clear_error();  // the end of the text
    return certificates;
  }
  if (ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
    ERR_clear_error();
    return fail("holds no certificate in PEM form",
                "it must contain -----BEGIN CERTIFICATE-----; convert DER with `openssl x509 "
                "-inform DER -in FILE`");
  }
  return fail(fmt::format("holds a damaged certificate: {}", reason()),
              "copy the file again from where it was issued");
}

Result<Key> parse_key(std::string_view text) {
  const Memory memory = memory_of(text);
  ERR_clear_error();
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_password, &asked));
  if (key != nullptr) {
    ERR_clear_error();
    return key;
  }
  if (asked) {
    ERR_clear_error();
    return fail("holds a key that is protected by a pass phrase",
                "remove it: openssl pkey -in FILE -out NEW; and protect the file by its mode");
  }
  const std::string words = reason();
  return fail(fmt::format("holds no private key in PEM form: {}", words),
              "it must contain -----BEGIN PRIVATE KEY-----");
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const {
  SSL_CTX_free(context);
}

void TlsContext::Free::operator()(BIO_METHOD* method) const {
  BIO_meth_free(method);
}

TlsContext::~TlsContext() = default;

Result<> TlsContext::check_certificate(std::string_view certificate) {
  const Result<std::vector<Certificate>> parsed = parse_certificates(certificate);
  return parsed ? Result<>() : std::unexpected(parsed.error());
}

Result<> TlsContext::check_key(std::string_view key) {
  const Result<Key> parsed = parse_key(key);
  return parsed ? Result<>() : std::unexpected(parsed.error());
}

Result<> TlsContext::prepare(TlsChannel::Side side) {
  method_.reset(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ringpost"));
  context_.reset(
      SSL_CTX_new(side == TlsChannel::Side::server ? TLS_server_method() : TLS_client_method()));
  if (method_ == nullptr || context_ == nullptr) {
    return fail(fmt::format("OpenSSL makes no context: {}", reason()),
                "look at openssl.cnf, which it reads at start");
  }
  BIO_meth_set_read_ex(method_.get(), TlsChannel::read);
  BIO_meth_set_write_ex(method_.get(), TlsChannel::write);
  BIO_meth_set_ctrl(method_.get(), TlsChannel::control);
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Thousands of connections idle: buffers only while a record is under way.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return {};
}

Result<std::unique_ptr<TlsContext>> TlsContext::server(std::string_view certificate,
                                                       std::string_view key) {
  std::unique_ptr<TlsContext> made(new TlsContext(0));
  if (Result<> prepared = made->prepare(TlsChannel::Side::server); !prepared) {
    return std::unexpected(prepared.error());
  }
  Result<std::vector<Certificate>> certificates = parse_certificates(certificate);
  if (!certificates) {
    return std::unexpected(certificates.error());
  }
  const Result<Key> parsed_key = parse_key(key);
  if (!parsed_key) {
    return std::unexpected(parsed_key.error());
  }
  SSL_CTX* const context = made->context_.get();
  if (SSL_CTX_use_certificate(context, certificates->front().get()) != 1) {
    return fail(fmt::format("the certificate cannot be used: {}", reason()),
                "issue one with a key of 2048 bits RSA or more, or P-256");
  }
  if (X509_check_private_key(certificates->front().get(), parsed_key->get()) != 1) {
    ERR_clear_error();
    return fail("the key does not belong to the certificate",
                "the certificate of that key must stand first in the certificate's file");
  }
  if (SSL_CTX_use_PrivateKey(context, parsed_key->get()) != 1) {
    return fail(fmt::format("the key cannot be used: {}", reason()));
  }
  for (std::size_t number = 1; number < certificates->size(); ++number) {
    SSL_CTX_add0_chain_cert(context, (*certificates)[number].release());
  }
  // Clients keep their sessions themselves, in tickets: nothing to remember here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  return made;
}

Result<std::unique_ptr<TlsContext>> TlsContext::client(const ClientTlsSettings& settings) {
  std::unique_ptr<TlsContext> made(new TlsContext(settings.most_sessions));
  if (Result<> prepared = made->prepare(TlsChannel::Side::client); !prepared) {
    return std::unexpected(prepared.error());
  }
  SSL_CTX* const context = made->context_.get();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, TlsChannel::keep_session);
  if (settings.verifies) {
    if (Result<> loaded = made->load_trust(settings.ca_file); !loaded) {
      return std::unexpected(loaded.error());
    }
  }
  return made;
}

Result<> TlsContext::load_trust(const std::string& ca_file) {
  ERR_clear_error();
  if (!ca_file.empty()) {
    if (SSL_CTX_load_verify_file(context_.get(), ca_file.c_str()) != 1) {
      return fail(fmt::format("{} cannot serve as a trust store: {}", ca_file, reason()),
                  "it must be a readable file of certificates in PEM form");
    }
    return {};
  }
  // Debian keeps them in one file, which saves a look at the disk for each unknown issuer.
  constexpr const char* bundle = "/etc/ssl/certs/ca-certificates.crt";
  if (SSL_CTX_load_verify_file(context_.get(), bundle) != 1 &&
      SSL_CTX_set_default_verify_paths(context_.get()) != 1) {
    return fail(fmt::format("the system's trust store cannot be read: {}", reason()),
                "install ca-certificates, or set delivery.tls_ca_file");
  }
  ERR_clear_error();
  return {};
}

Result<> TlsContext::share_tickets_of(const TlsContext& other) {
  std::array<unsigned char, 80> keys{};  // name, HMAC and AES keys, as OpenSSL 3 lays them out
  const auto size = static_cast<long>(keys.size());
  if (SSL_CTX_get_tlsext_ticket_keys(other.context_.get(), keys.data(), size) != 1 ||
      SSL_CTX_set_tlsext_ticket_keys(context_.get(), keys.data(), size) != 1) {
    return fail(fmt::format("OpenSSL does not share its ticket keys: {}", reason()));
  }
  return {};
}

std::unique_ptr<TlsChannel> TlsContext::channel(TlsChannel::Side side) {
  return std::make_unique<TlsChannel>(context_.get(), method_.get(), side);
}

std::unique_ptr<TlsChannel> TlsContext::accept() {
  return channel(TlsChannel::Side::server);
}

std::unique_ptr<TlsChannel> TlsContext::connect(const TlsPeer& peer) {
  std::unique_ptr<TlsChannel> made = channel(TlsChannel::Side::client);
  SSL* const ssl = made->ssl_.get();
  const std::optional<IpAddress> address = IpAddress::parse(peer.host);
  if (!address) {
    SSL_set_tlsext_host_name(ssl, peer.host.c_str());  // no addresses there: RFC 6066 section 3
  }
  if (peer.verify) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, peer.host.c_str())
                            : X509_VERIFY_PARAM_set1_host(wanted, peer.host.c_str(), 0);
    check(set == 1, "OpenSSL has no memory");
  }
  made->sessions_ = &sessions_;
  made->session_key_ = fmt::format("{}\n{}\n{}", peer.host, peer.verify, peer.resumption);
  if (const TlsSessions::Session session = sessions_.take(made->session_key_)) {
    SSL_set_session(ssl, session.get());
  }
  return made;
}

}  // namespace ringpost::net
