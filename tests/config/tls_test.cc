// The keys about TLS.
#include <gtest/gtest.h>

#include "loading.h"

namespace ringpost::config {
namespace {

TEST(Tls, CertificateAndKeyGoTogether) {
  const Listener listener =
      loaded("[listener]\ntls_certificate = '/c.pem'\ntls_key = '/k.pem'\n").config.listener;
  EXPECT_EQ(listener.tls_certificate, "/c.pem");
  EXPECT_EQ(listener.tls_key, "/k.pem");
  EXPECT_EQ(errors("listener.tls_key = '/k.pem'\n"),
            "ringpost.toml:1:20: listener.tls_key: is of no use without listener.tls_certificate "
            "(name both files, or neither)\n");
  EXPECT_EQ(errors("", {"listener.tls_certificate=/c.pem"}),
            "command line: listener.tls_certificate: is of no use without listener.tls_key (name "
            "both files, or neither)\n");
}

TEST(Tls, GroupsInheritThePolicyUnlessTheyHaveTheirOwn) {
  const std::string groups =
      "[[queue_group]]\nname = 'a'\ndomains = ['a.example']\n"
      "[[queue_group]]\nname = 'b'\ndomains = ['b.example']\ntls = 'none'\n";
  const Config plain = loaded(groups).config;
  EXPECT_EQ(plain.queue_groups[0].tls, TlsPolicy::may);
  EXPECT_EQ(plain.default_groups[0].tls, TlsPolicy::may);
  const Config strict = loaded(groups, {"delivery.tls=verify"}).config;
  EXPECT_EQ(strict.queue_groups[0].tls, TlsPolicy::verify);
  EXPECT_EQ(strict.queue_groups[1].tls, TlsPolicy::none);
  EXPECT_EQ(strict.default_groups[0].tls, TlsPolicy::verify);
  const Config one = loaded(groups, {"queue_group.default.tls=encrypt"}).config;
  EXPECT_EQ(one.default_groups[0].tls, TlsPolicy::encrypt);
  EXPECT_EQ(one.queue_groups[0].tls, TlsPolicy::may);
}

TEST(Tls, PoliciesHaveNames) {
  for (const TlsPolicy policy :
       {TlsPolicy::none, TlsPolicy::may, TlsPolicy::encrypt, TlsPolicy::verify}) {
    EXPECT_EQ(tls_policy_named(name_of(policy)), policy);
  }
  EXPECT_EQ(errors("delivery.tls = 'encrpt'\n"),
            "ringpost.toml:1:16: delivery.tls: 'encrpt' is not a value of this key (did you mean "
            "'encrypt'?)\n");
}

}  // namespace
}  // namespace ringpost::config
