#include "ringpost/smtp/command_line_reader.h"

#include <algorithm>

namespace ringpost::smtp {
namespace {

CommandLine judge(std::string_view text) {
  const bool sound = std::ranges::none_of(
      text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; });
  return sound ? CommandLine{text}
               : CommandLine{.problem = CommandLine::Problem::control_character};
}

}  // namespace

std::optional<CommandLine> CommandLineReader::next(std::string_view bytes, std::size_t& at) {
  if (finished_) {
    begun_.clear();
    last_ = '\0';
    too_long_ = finished_ = false;
  }
  while (at < bytes.size()) {
    const std::size_t line_feed = bytes.find('\n', at);
    const std::size_t end = line_feed == std::string_view::npos ? bytes.size() : line_feed + 1;
    const std::string_view piece = bytes.substr(at, end - at);
    const bool ended = piece.ends_with("\r\n") || (piece == "\n" && last_ == '\r');
    at = end;
    if (ended && begun_.empty() && !too_long_ && piece.size() <= max_length_) {
      return judge(piece.substr(0, piece.size() - 2));  // the usual case: no copy
    }
    too_long_ = too_long_ || begun_.size() + piece.size() > max_length_;
    if (!too_long_) {
      begun_.append(piece);
    }
    last_ = piece.back();
    if (ended) {
      finished_ = true;
      if (too_long_) {
        return CommandLine{.problem = CommandLine::Problem::too_long};
      }
      return judge(std::string_view(begun_).substr(0, begun_.size() - 2));
    }
  }
  return std::nullopt;
}

}  // namespace ringpost::smtp
