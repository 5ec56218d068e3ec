#include <fmt/format.h>

#include <utility>

#include "ringpost/config/load.h"

namespace ringpost::config {
namespace {

// Keys and values come from the file: none of them gets to write a line or a terminal's command.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c >= 0 && c < ' ') || c == '\x7f') {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

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
  return printable(text);
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
