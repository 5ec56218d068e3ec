// The keys about proxies in front of the listener.
#include <gtest/gtest.h>

#include "loading.h"

namespace ringpost::config {
namespace {

TEST(Proxy, IsOffUnlessConfigured) {
  const Listener listener = loaded("").config.listener;
  EXPECT_TRUE(listener.proxy_protocol.empty());
  EXPECT_TRUE(listener.proxy_networks.empty());
}

TEST(Proxy, EndpointsAndNetworksGoTogether) {
  const Listener listener =
      loaded("[listener]\nproxy_protocol = '127.0.0.1:26'\nproxy_networks = '192.0.2.0/24'\n")
          .config.listener;
  ASSERT_EQ(listener.proxy_protocol.size(), 1U);
  EXPECT_EQ(listener.proxy_protocol.front().to_string(), "127.0.0.1:26");
  ASSERT_EQ(listener.proxy_networks.size(), 1U);
  EXPECT_EQ(errors("listener.proxy_protocol = '127.0.0.1:26'\n"),
            "ringpost.toml:1:27: listener.proxy_protocol: nobody may connect there without "
            "listener.proxy_networks (name the networks that the proxies are in)\n");
}

TEST(Proxy, AnEndpointIsForProxiesOrForAll) {
  EXPECT_EQ(errors("[listener]\nsmtp = ['127.0.0.1:25', '127.0.0.1:26']\n"
                   "proxy_networks = ['192.0.2.1']\nproxy_protocol = '127.0.0.1:26'\n"),
            "ringpost.toml:4:18: listener.proxy_protocol: 127.0.0.1:26 is one of listener.smtp too "
            "(whether a PROXY header comes must not be left to the client: name it once)\n");
}

}  // namespace
}  // namespace ringpost::config
