#include <fmt/format.h>

#include <utility>

#include "ringpost/config/load.h"

namespace ringpost::config {

std::string Origins::at(std::string_view path) const {
  const Place* place = find(path);
  if (place == nullptr) {
    return "default";
  }
  return place->line == 0 ? place->file : fmt::format("{}:{}", place->file, place->line);
}

const Place* Origins::find(std::string_view path) const {
  const auto found = places_.find(path);
  return found == places_.end() ? nullptr : &found->second;
}

void Origins::set(std::string path, Place place) {
  places_[std::move(path)] = std::move(place);
}

std::string Problem::describe() const {
  std::string text;
  if (place.line != 0) {
    text = fmt::format("{}:{}:{}: ", place.file, place.line, place.column);
  } else if (!place.file.empty()) {
    text = fmt::format("{}: ", place.file);
  }
  text += message;
  if (!suggestion.empty()) {
    text += fmt::format(" ({})", suggestion);
  }
  return text;
}

std::string check_text(const LoadResult& result) {
  if (result) {
    return "ok\n";
  }
  std::string text;
  for (const Problem& problem : result.error()) {
    text += problem.describe() + "\n";
  }
  return text;
}

}  // namespace ringpost::config
