#include "ringpost/config/text.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace ringpost::config {
namespace {

// How many bytes at the head of `text` are one string or comment: 0 if neither begins there. What
// does not end is left to the parser to complain of.
std::size_t length_of_opaque(std::string_view text) {
  const char quote = text.front();
  if (quote == '#') {
    return std::min(text.find('\n'), text.size());
  }
  if (quote != '"' && quote != '\'') {
    return 0;
  }
  const bool is_long = text.substr(0, 3) == std::string(3, quote);
  const std::string_view end = text.substr(0, is_long ? 3 : 1);
  std::size_t at = end.size();
  while (at < text.size() && !text.substr(at).starts_with(end)) {
    if (!is_long && text[at] == '\n') {
      return at;
    }
    at += quote == '"' && text[at] == '\\' ? 2 : 1;
  }
  at = std::min(at + end.size(), text.size());
  // A long string may end in two quotes of its own.
  for (int own = 0; is_long && own < 2 && text.substr(at).starts_with(quote); ++own) {
    ++at;
  }
  return at;
}

}  // namespace

int read_text(const std::string& path, std::string& out) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return errno;
  }
  char block[16'384];
  int error = 0;
  errno = 0;
  while (const std::size_t count = std::fread(block, 1, sizeof(block), file)) {
    if (out.size() + count > max_text_bytes) {
      error = EFBIG;
      break;
    }
    out.append(block, count);
  }
  if (std::ferror(file) != 0) {
    error = errno != 0 ? errno : EIO;
  }
  std::fclose(file);
  return error;
}

std::optional<std::uint32_t> line_with_too_long_a_key(std::string_view text) {
  std::uint32_t line = 1;
  std::size_t dots = 0;
  for (std::size_t at = 0; (at = text.find_first_of("\n.\"'#", at)) != std::string_view::npos;) {
    const std::string_view piece =
        text.substr(at, std::max<std::size_t>(length_of_opaque(text.substr(at)), 1));
    at += piece.size();
    line += static_cast<std::uint32_t>(std::ranges::count(piece, '\n'));
    dots = piece.contains('\n') ? 0 : dots + (piece == "." ? 1 : 0);
    if (dots > max_dots_in_line) {
      return line;
    }
  }
  return std::nullopt;
}

}  // namespace ringpost::config
