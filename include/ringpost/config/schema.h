// The keys with what reads each of them: the one table from which the loader, the command line's
// -O, the suggestions and the check of docs/OPERATING.md come. Used inside this room only.
#pragma once

#include <span>

#include "ringpost/config/config.h"
#include "ringpost/config/keys.h"
#include "ringpost/config/reader.h"

namespace ringpost::config {

template <class Target>
struct Key {
  KeyText text;
  void (*read)(Target& target, Reader& reader);
};

[[nodiscard]] std::span<const Key<Config>> config_keys();
// `name` is not among them: the loader reads it first, since it names the others' places.
[[nodiscard]] std::span<const Key<QueueGroup>> queue_group_keys();
[[nodiscard]] std::span<const Key<Route>> route_keys();
[[nodiscard]] std::span<const Key<Egress>> egress_keys();
[[nodiscard]] std::span<const Key<Destination>> destination_keys();

}  // namespace ringpost::config
