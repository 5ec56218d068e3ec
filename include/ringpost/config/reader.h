// Reads one TOML value into one setting, or notes why not. Called by the key tables (schema.h)
// and the loader only; a setting whose value is bad keeps what it had.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringpost/config/load.h"

namespace ringpost::config {

[[nodiscard]] Place place_of(const toml::source_region& region, std::string_view file);

class Reader {
 public:
  // `raw` is the text of an -O setting, which serves where a string is wanted and its TOML is
  // something else. All arguments outlive the reader.
  Reader(const toml::node& node, std::string path, const Place& place,
         std::optional<std::string_view> raw, Origins& origins, std::vector<Problem>& problems);

  void text(std::string& out);
  void duration(Duration& out, TimeUnit bare_unit, Duration least);
  void number(std::uint32_t& out, std::uint32_t least, std::uint32_t most);
  void number(std::optional<std::uint32_t>& out, std::uint32_t least, std::uint32_t most);
  void port(std::uint16_t& out);
  void size(std::uint64_t& out, std::uint64_t least, std::uint64_t most);
  void rate(double& out);
  void domain(std::string& out, bool suffix_allowed);
  void host(std::optional<Host>& out);
  // Lower case letters, digits, '-' and '_'.
  void name(std::string& out);
  void address(std::optional<IpAddress>& out, IpAddress::Family family);
  // Arrays of strings; a lone string is an array of one.
  void endpoints(std::vector<Endpoint>& out, std::size_t least);
  void networks(std::vector<Network>& out);
  void hosts(std::vector<Host>& out);
  void names(std::vector<std::string>& out);
  // Notes the place of each pattern as PATH.PATTERN.
  void domain_patterns(std::vector<std::string>& out);
  // A key that takes one of some names: the index of the one given, or nothing if it is none of
  // `supported`. `later` are known, but not supported in this version.
  std::optional<std::size_t> choice(std::initializer_list<std::string_view> supported,
                                    std::initializer_list<std::string_view> later);

  void problem(std::string message, std::string suggestion = {}) const;

 private:
  struct Item {
    std::string text;
    Place place;
  };

  [[nodiscard]] std::optional<std::string> string_value() const;
  [[nodiscard]] std::optional<std::vector<Item>> items() const;
  void problem_at(const Place& place, std::string message, std::string suggestion) const;
  void expected(std::string_view what) const;
  template <class T, class Parse>
  void list(std::vector<T>& out, Parse parse);

  const toml::node& node_;
  std::string path_;
  const Place& place_;
  std::optional<std::string_view> raw_;
  Origins& origins_;
  std::vector<Problem>& problems_;
};

}  // namespace ringpost::config
