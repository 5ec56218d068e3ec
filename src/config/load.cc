#include "ringpost/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "ringpost/base/text.h"
#include "ringpost/config/complete.h"
#include "ringpost/config/reader.h"
#include "ringpost/config/schema.h"
#include "ringpost/config/suggest.h"
#include "ringpost/config/text.h"
#include "ringpost/config/values.h"

namespace ringpost::config {
namespace {

constexpr std::string_view default_group_name = "default";

const Place command_line{"command line", 0, 0};

// One -O. Its TOML lives as long as the load.
struct Override {
  std::string key;
  std::string raw;
  toml::table holder;  // { value = … }

  [[nodiscard]] const toml::node& node() const { return *holder.get("value"); }
};

toml::table parse_override_value(const std::string& raw) {
  // The parser reports errors by exception; here one only means "a plain string".
  try {
    toml::table table;
    if (!line_with_too_long_a_key(raw)) {
      table = toml::parse("value = " + raw);
    }
    if (table.size() == 1) {
      return table;
    }
  } catch (const toml::parse_error&) {
  }
  return toml::table{{"value", raw}};
}

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  for (const KeyText& key : all_keys()) {
    names.push_back(key.name);
  }
  return names;
}

std::string_view table_of(std::string_view name) {
  return name.substr(0, name.find('.'));
}

bool is_unsupported(std::string_view name) {
  const std::string whole_table = fmt::format("{}.*", table_of(name));
  const auto keys = unsupported_keys();
  return std::ranges::any_of(
      keys, [&](std::string_view known) { return known == name || known == whole_table; });
}

std::string did_you_mean(std::string_view nearest) {
  return nearest.empty() ? std::string() : fmt::format("did you mean '{}'?", nearest);
}

class Loader {
 public:
  explicit Loader(std::string_view file) : file_(file), names_(known_names()) {
    // Defaults that are no literals.
    Config& config = loaded_.config;
    const auto networks = [](std::initializer_list<std::string_view> texts) {
      std::vector<Network> all;
      for (const std::string_view text : texts) {
        all.push_back(*Network::parse(text));
      }
      return all;
    };
    config.listener.smtp = {Endpoint{IpAddress::loopback(IpAddress::Family::v4), 2525}};
    config.listener.relay_from = networks({"127.0.0.0/8", "::1/128"});
    config.delivery.prohibited_networks =
        networks({"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
                  "::/128", "::1/128", "fe80::/10", "ff00::/8"});
    default_group_.name = default_group_name;
  }

  void add_override(const std::string& setting) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return problem(command_line, fmt::format("-O {}: expects key=value", setting), "");
    }
    Override parsed;
    parsed.key = trim(std::string_view(setting).substr(0, equals));
    parsed.raw = trim(std::string_view(setting).substr(equals + 1));
    parsed.holder = parse_override_value(parsed.raw);
    overrides_.push_back(std::move(parsed));
  }

  LoadResult load(const toml::table& file, const Environment& environment) {
    read_file_tables(file);
    read_overrides_of_tables();
    // Groups come last: what they do not set they inherit from tables.
    inherit(default_group_, loaded_.config);
    read_groups();
    read_overrides_of_groups();
    complete(loaded_, default_group_, environment, problems_);
    if (problems_.empty()) {
      return std::move(loaded_);
    }
    return std::unexpected(sorted_problems());
  }

 private:
  void problem(const Place& place, std::string message, std::string suggestion) {
    problems_.push_back(Problem{place, std::move(message), std::move(suggestion)});
  }

  // `name` is the key as documented, `path` the same with the group's name in it.
  void unknown(const Place& place, std::string_view name, std::string_view path) {
    if (is_unsupported(name)) {
      return problem(place, fmt::format("{} is not supported in this version", path), "remove it");
    }
    problem(place, fmt::format("unknown key '{}'", path), did_you_mean(nearest_key(name, names_)));
  }

  template <class Target>
  void read(Target& target, std::span<const Key<Target>> keys, std::string_view name,
            const std::string& path, const toml::node& node, const Place& place,
            std::optional<std::string_view> raw) {
    for (const Key<Target>& key : keys) {
      if (key.text.name == name) {
        loaded_.origins.set(path, place);
        Reader reader(node, path, place, raw, loaded_.origins, problems_);
        return key.read(target, reader);
      }
    }
    unknown(place, name, path);
  }

  [[nodiscard]] bool is_known(std::string_view name) const {
    return std::ranges::find(names_, name) != names_.end();
  }
  template <class Part>  // a key or a node
  [[nodiscard]] Place place(const Part& part) const {
    return from_command_line_ ? command_line : place_of(part.source(), file_);
  }

  // All keys of one table: of an unknown key the key's place counts, else the value's.
  template <class Target>
  void read_table(Target& target, std::span<const Key<Target>> keys, const toml::table& table,
                  std::string_view name_prefix, std::string_view path_prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = fmt::format("{}.{}", name_prefix, key.str());
      const Place at = is_known(name) ? place(node) : place(key);
      read(target, keys, name, fmt::format("{}.{}", path_prefix, key.str()), node, at,
           std::nullopt);
    }
  }

  void read_file_tables(const toml::table& file) {
    for (const auto& [key, node] : file) {
      const std::string_view name = key.str();
      if (read_array_of_tables(name, node)) {
        continue;
      }
      if (name == "queue_group") {
        groups_ = &node;
      } else if (is_unsupported(name)) {
        problem(place(key), fmt::format("{} is not supported in this version", name), "remove it");
      } else if (!is_table_name(name)) {
        unknown_table(key, node);
      } else if (const toml::table* table = node.as_table()) {
        read_table(loaded_.config, config_keys(), *table, name, name);
      } else {
        problem(place(node), fmt::format("{}: expects a table", name),
                fmt::format("write [{}]", name));
      }
    }
  }

  [[nodiscard]] bool is_table_name(std::string_view name) const {
    return std::ranges::any_of(names_, [&](std::string_view key) { return table_of(key) == name; });
  }

  void unknown_table(const toml::key& key, const toml::node& node) {
    if (!node.is_table() && !node.is_array_of_tables()) {
      return unknown(place(key), key.str(), key.str());
    }
    std::vector<std::string_view> tables;
    for (const std::string_view name : names_) {
      tables.push_back(table_of(name));
    }
    problem(place(key), fmt::format("unknown table '{}'", key.str()),
            did_you_mean(nearest_name(key.str(), tables)));
  }

  template <class Each>
  void each_table(std::string_view name, const toml::node& node, Each each) {
    const toml::array* array = node.as_array();
    if (array == nullptr) {
      return problem(place(node), fmt::format("{}: expects an array of tables", name),
                     fmt::format("write [[{}]]", name));
    }
    for (const toml::node& element : *array) {
      if (const toml::table* table = element.as_table()) {
        each(*table, place(element));
      } else {
        problem(place(element), fmt::format("{}: expects tables", name), "");
      }
    }
  }

  // False: this is no such key. The one that a queue group is comes later.
  bool read_array_of_tables(std::string_view name, const toml::node& node) {
    if (name == "route") {
      read_routes(node);
    } else if (name == "egress") {
      read_named(loaded_.config.egress, egress_keys(), name, node);
    } else if (name == "destination") {
      read_named(loaded_.config.destinations, destination_keys(), name, node);
    } else {
      return false;
    }
    return true;
  }

  template <class Target>
  void read_named(std::vector<Target>& all, std::span<const Key<Target>> keys,
                  std::string_view name, const toml::node& node) {
    all.clear();
    each_table(name, node, [&](const toml::table& table, const Place& where) {
      Target one;
      const std::size_t problems_before = problems_.size();
      read_table(one, keys, table, name, name);
      if (problems_.size() != problems_before) {
        return;
      }
      if (one.name.empty()) {
        return problem(where, fmt::format("{}: needs a name", name), "add name = \"…\"");
      }
      const std::string path = fmt::format("{}.{}", name, one.name);
      if (std::ranges::find(all, one.name, &Target::name) != all.end()) {
        return problem(where,
                       fmt::format("{}: there is already '{}' at {}", name, one.name,
                                   loaded_.origins.at(path)),
                       "give this one another name");
      }
      loaded_.origins.set(path, where);
      all.push_back(std::move(one));
    });
  }

  void read_routes(const toml::node& node) {
    loaded_.config.routes.clear();
    each_table("route", node,
               [&](const toml::table& table, const Place& where) { read_route(table, where); });
  }

  void read_route(const toml::table& table, const Place& where) {
    Route route;
    const std::size_t problems_before = problems_.size();
    read_table(route, route_keys(), table, "route", "route");
    if (problems_.size() != problems_before) {
      return;
    }
    if (route.domain.empty() || route.hosts.empty()) {
      return problem(where, "route: needs a domain and at least one host",
                     "add domain = \"…\" and hosts = [\"…\"]");
    }
    const std::string path = fmt::format("route.{}", route.domain);
    if (std::ranges::find(loaded_.config.routes, route.domain, &Route::domain) !=
        loaded_.config.routes.end()) {
      return problem(where,
                     fmt::format("route: '{}' already has a route at {}", route.domain,
                                 loaded_.origins.at(path)),
                     "remove one of them");
    }
    loaded_.origins.set(path, where);
    loaded_.config.routes.push_back(std::move(route));
  }

  void read_groups() {
    for (const Override& setting : overrides_) {
      if (setting.key == "queue_group") {
        groups_ = &setting.node();
        from_command_line_ = true;
      }
    }
    if (groups_ != nullptr) {
      each_table("queue_group", *groups_,
                 [&](const toml::table& table, const Place& where) { read_group(table, where); });
    }
    from_command_line_ = false;
  }

  void read_group(const toml::table& table, const Place& where) {
    const std::optional<std::string> name = group_name(table, where);
    if (!name) {
      return;
    }
    const std::string path = fmt::format("queue_group.{}", *name);
    if (loaded_.origins.find(path) != nullptr) {
      return problem(where,
                     fmt::format("queue_group: there is already a group '{}' at {}", *name,
                                 loaded_.origins.at(path)),
                     "give this one another name");
    }
    loaded_.origins.set(path, where);
    QueueGroup group;
    group.name = *name;
    inherit(group, loaded_.config);
    const bool is_default = *name == default_group_name;
    for (const auto& [key, node] : table) {
      if (key.str() == "name") {
        continue;
      }
      const std::string key_name = fmt::format("queue_group.{}", key.str());
      const Place at = is_known(key_name) ? place(node) : place(key);
      read_group_key(group, key.str(), node, at, std::nullopt);
    }
    if (is_default) {
      default_group_ = std::move(group);
    } else {
      if (group.domains.empty() && group.mx.empty() && !table.contains("domains") &&
          !table.contains("mx")) {
        problem(where, fmt::format("{}: names no domains, so that it would get no mail", path),
                "add domains, or MX hosts by mx");
      }
      loaded_.config.queue_groups.push_back(std::move(group));
    }
  }

  void read_group_key(QueueGroup& group, std::string_view key, const toml::node& node,
                      const Place& at, std::optional<std::string_view> raw) {
    const std::string path = fmt::format("queue_group.{}.{}", group.name, key);
    if (key == "name") {
      return problem(at, fmt::format("{}: a group keeps its name", path), "remove it");
    }
    if (group.name == default_group_name && (key == "domains" || key == "mx" || key == "shard")) {
      return problem(at,
                     fmt::format("{}: the default groups take what no other group names, on all "
                                 "shards",
                                 path),
                     "remove it, or give the group another name");
    }
    read(group, queue_group_keys(), fmt::format("queue_group.{}", key), path, node, at, raw);
  }

  std::optional<std::string> group_name(const toml::table& table, const Place& where) {
    const toml::node* node = table.get("name");
    const auto* text = node == nullptr ? nullptr : node->as_string();
    if (text == nullptr) {
      problem(where, "queue_group: needs a name", "add name = \"…\"");
      return std::nullopt;
    }
    const std::string& name = text->get();
    const Place at = place(*node);
    if (!is_name(name)) {
      problem(at, fmt::format("queue_group.name: '{}' cannot be a name", name),
              "write 1 to 64 lower case letters, digits, '-' and '_'");
      return std::nullopt;
    }
    if (name.starts_with("default-")) {
      problem(at, fmt::format("queue_group.name: '{}' is kept for the default groups", name),
              "the group 'default' holds the settings of all of them");
      return std::nullopt;
    }
    return name;
  }

  void read_overrides_of_tables() {
    for (const Override& setting : overrides_) {
      from_command_line_ = true;
      const bool taken = read_array_of_tables(setting.key, setting.node());
      from_command_line_ = false;
      if (!taken && table_of(setting.key) != "queue_group") {
        read(loaded_.config, config_keys(), setting.key, setting.key, setting.node(), command_line,
             setting.raw);
      }
    }
  }

  void read_overrides_of_groups() {
    for (const Override& setting : overrides_) {
      if (table_of(setting.key) == "queue_group" && setting.key != "queue_group") {
        read_override_of_group(setting);
      }
    }
  }

  void read_override_of_group(const Override& setting) {
    const std::size_t first = setting.key.find('.');
    const std::size_t last = setting.key.rfind('.');
    if (first == last) {
      return problem(command_line, fmt::format("{}: names no group", setting.key),
                     "write queue_group.NAME.key=value");
    }
    const std::string name = setting.key.substr(first + 1, last - first - 1);
    std::vector<std::string_view> names{default_group_name};
    QueueGroup* group = name == default_group_name ? &default_group_ : nullptr;
    for (QueueGroup& candidate : loaded_.config.queue_groups) {
      names.push_back(candidate.name);
      if (candidate.name == name) {
        group = &candidate;
      }
    }
    if (group == nullptr) {
      return problem(command_line,
                     fmt::format("{}: there is no queue group '{}'", setting.key, name),
                     did_you_mean(nearest_name(name, names)));
    }
    read_group_key(*group, setting.key.substr(last + 1), setting.node(), command_line, setting.raw);
  }

  std::vector<Problem> sorted_problems() {
    // In the order of the text; those of one place as they were found.
    std::vector<std::pair<std::size_t, Problem>> found;
    for (Problem& problem : problems_) {
      found.emplace_back(found.size(), std::move(problem));
    }
    std::ranges::sort(found, {}, [](const auto& numbered) {
      const Place& place = numbered.second.place;
      return std::tuple(std::string_view(place.file), place.line, place.column, numbered.first);
    });
    problems_.clear();
    for (auto& [number, problem] : found) {
      problems_.push_back(std::move(problem));
    }
    if (problems_.size() > max_problems) {
      const std::size_t more = problems_.size() - max_problems;
      problems_.resize(max_problems);
      problem({}, fmt::format("{} more problems are not shown", more), "");
    }
    return std::move(problems_);
  }

  std::string file_;
  std::vector<std::string_view> names_;
  std::vector<Override> overrides_;
  const toml::node* groups_ = nullptr;  // [[queue_group]], of the file or the command line
  bool from_command_line_ = false;      // what is being read; it has no lines of its own
  QueueGroup default_group_;
  Loaded loaded_;
  std::vector<Problem> problems_;
};

// A result of one problem, made without an initializer list: g++ 12 sees an uninitialized string
// there.
LoadResult refuse(Place place, std::string message, std::string suggestion) {
  std::vector<Problem> problems(1);
  problems.front().place = std::move(place);
  problems.front().message = std::move(message);
  problems.front().suggestion = std::move(suggestion);
  return std::unexpected(std::move(problems));
}

}  // namespace

LoadResult load(std::string_view text, std::string_view file,
                std::span<const std::string> overrides, const Environment& environment) {
  toml::table table;
  if (const auto line = line_with_too_long_a_key(text)) {
    return refuse({std::string(file), *line, 1}, "not TOML: a key has too many parts",
                  "quote what is text");
  }
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return refuse(place_of(error.source(), file), fmt::format("not TOML: {}", error.description()),
                  "");
  }
  Loader loader(file);
  for (const std::string& setting : overrides) {
    loader.add_override(setting);
  }
  return loader.load(table, environment);
}

LoadResult load_file(const std::string& path, std::span<const std::string> overrides,
                     const Environment& environment) {
  if (path.empty()) {
    return load("", "", overrides, environment);
  }
  std::string text;
  if (const int error = read_text(path, text); error != 0) {
    return refuse({}, fail_errno(error, fmt::format("cannot read {}", path)).error().describe(),
                  error == EACCES ? "make it readable for the user that ringpostd runs as" : "");
  }
  return load(text, path, overrides, environment);
}

}  // namespace ringpost::config
