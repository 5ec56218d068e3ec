// Every key can be set, in the file and by -O; and the list tells the truth about defaults.
#include "ringpost/config/keys.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "loading.h"

namespace ringpost::config {
namespace {

// A value of the key's type that is not its default; empty where only the default is supported.
std::string other_value(const KeyText& key) {
  static const std::map<std::string_view, std::string> special = {
      {"spool.durability", "\"interval\""},
      {"queue_group.durability", "\"memory\""},
      {"log.format", ""},
      {"delivery.tls", "\"verify\""},
      {"queue_group.tls", "\"none\""},
      {"listener.tls_certificate", ""},  // not without the key: see below
      {"listener.tls_key", ""},
      {"listener.proxy_protocol", ""},  // not without its networks: proxy_test.cc
      {"queue_group.delivery", "\"hold\""},
      {"queue_group.shard", "1"},
      {"queue_group.egress", ""},  // its sources must be there: load_test.cc
      {"spool.segment_size", "\"128M\""},
      {"retry.max", "\"5h\""},
      {"listener.max_line_length", "2000"},
      {"listener.max_command_length", "1024"},
  };
  static const std::map<std::string_view, std::string> by_type = {
      {"string", "\"/elsewhere\""},
      {"number", "3"},
      {"size", "\"16M\""},
      {"duration", "\"17s\""},
      {"rate", "\"7/s\""},
      {"endpoint", "\"127.0.0.1:9125\""},
      {"endpoints", "[\"192.0.2.7:53\", \"[2001:db8::7]:53\"]"},
      {"networks", "[\"192.0.2.0/24\"]"},
      {"host", "\"relay.example:26\""},
      {"hosts", "[\"relay.example:26\"]"},
      {"domain", "\"other.example\""},
      {"domains", "[\"other.example\"]"},
  };
  const auto found = special.find(key.name);
  return found != special.end() ? found->second : by_type.at(key.type);
}

bool in_array(std::string_view name) {
  return name.starts_with("queue_group.") || name.starts_with("route.") ||
         name.starts_with("egress.") || name.starts_with("destination.");
}

std::string last_part(std::string_view name) {
  return std::string(name.substr(name.find('.') + 1));
}

constexpr const char* one_group = "[[queue_group]]\nname = \"a\"\n";

TEST(Keys, EveryKeyOfATableIsSetByFileAndByCommandLineAlike) {
  const Config defaults = loaded("").config;
  int count = 0;
  for (const KeyText& key : all_keys()) {
    const std::string value = other_value(key);
    if (in_array(key.name) || value.empty()) {
      continue;
    }
    const std::string setting = std::string(key.name) + " = " + value;
    const Loaded by_file = loaded(setting);
    const Loaded by_override = loaded("", {setting});
    EXPECT_NE(by_file.config, defaults) << key.name;
    EXPECT_EQ(by_file.config, by_override.config) << key.name;
    EXPECT_EQ(by_file.origins.at(key.name), "ringpost.toml:1") << key.name;
    EXPECT_EQ(by_override.origins.at(key.name), "command line") << key.name;
    ++count;
  }
  EXPECT_GT(count, 35);
}

TEST(Keys, EveryKeyOfAGroupIsSetByFileAndByCommandLineAlike) {
  const std::string file = std::string(one_group) + "domains = []\n";
  const Config defaults = loaded(file).config;
  int count = 0;
  for (const KeyText& key : all_keys()) {
    const std::string value = other_value(key);
    if (!key.name.starts_with("queue_group.") || key.name == "queue_group.name" || value.empty()) {
      continue;
    }
    const std::string part = last_part(key.name);
    const std::string setting = part + " = " + value + "\n";
    const Config by_file = loaded((part == "domains" ? one_group : file) + setting).config;
    const Config by_override = loaded(file, {"queue_group.a." + setting}).config;
    EXPECT_NE(by_file, defaults) << key.name;
    EXPECT_EQ(by_file, by_override) << key.name;
    ++count;
  }
  EXPECT_GE(count, 8);
}

TEST(Keys, StatedDefaultsAreTheRealOnes) {
  const Config defaults = loaded("").config;
  const std::string file = std::string(one_group) + "domains = []\n";
  const Config group_defaults = loaded(file).config;
  for (const KeyText& key : all_keys()) {
    if (key.default_value.starts_with('(')) {
      continue;
    }
    const std::string value(key.default_value);
    if (key.name.starts_with("destination.")) {
      continue;  // one that is listed is never as if it were not
    }
    if (in_array(key.name)) {
      const std::string setting = "queue_group.a." + last_part(key.name) + "=" + value;
      EXPECT_EQ(loaded(file, {setting}).config, group_defaults) << key.name;
    } else {
      EXPECT_EQ(loaded(std::string(key.name) + " = " + value).config, defaults) << key.name;
    }
  }
}

}  // namespace
}  // namespace ringpost::config
