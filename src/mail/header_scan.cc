#include "ringpost/mail/header_scan.h"

#include <algorithm>
#include <cstring>

#include "ringpost/base/text.h"

namespace ringpost::mail {
namespace {

constexpr std::string_view received_name = "Received";
constexpr std::string_view tenant_name = "X-Ringpost-Tenant";
constexpr std::string_view job_name = "X-Ringpost-Job";

// The length of the field name at the start of `line`, 0 if the line is no field. RFC 5322 section
// 4.5 lets old mail have spaces before the colon.
std::size_t name_length(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && line[end] > ' ' && line[end] < 127 && line[end] != ':') {
    ++end;
  }
  std::size_t colon = end;
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) {
    ++colon;
  }
  return colon < line.size() && line[colon] == ':' ? end : 0;
}

// One past the line that begins at `from`, its LF included.
std::size_t line_end(std::string_view text, std::size_t from) {
  const std::size_t at = text.find('\n', from);
  return at == std::string_view::npos ? text.size() : at + 1;
}

// One past the field that begins at `from`: its line and those that continue it.
std::size_t field_end(std::string_view text, std::size_t from) {
  std::size_t end = line_end(text, from);
  while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) {
    end = line_end(text, end);
  }
  return end;
}

// The value of a whole field. Unfolding takes out the line ends alone (RFC 5322 section 2.2.3); a
// tab is as good as a space.
std::string unfolded_value(std::string_view field) {
  std::string value(field.substr(field.find(':') + 1));
  std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
  std::ranges::replace(value, '\t', ' ');
  return std::string(trim(value));
}

void honour(std::string_view field, std::string& label, HeaderScan& scan) {
  if (!label.empty()) {
    return;
  }
  std::string value = unfolded_value(field);
  if (value.size() > max_label) {
    scan.problem = "an X-Ringpost field is longer than 128 bytes";
  } else if (std::ranges::any_of(value, [](char c) { return c < ' ' || c > '~'; })) {
    scan.problem = "an X-Ringpost field contains other characters than printable ASCII";
  } else {
    label = std::move(value);
  }
}

}  // namespace

HeaderScan scan_header(std::string& content, std::size_t from) {
  HeaderScan scan;
  std::size_t read = from;   // the next field
  std::size_t kept = from;   // where the bytes from `moved` on belong
  std::size_t moved = from;  // all before it is in its place already
  while (read < content.size()) {
    const char first = ascii_lower(content[read]);
    const std::string_view line(content.data() + read, line_end(content, read) - read);
    const std::size_t name_size = name_length(line);
    if (name_size == 0) {
      break;
    }
    const std::size_t end = field_end(content, read);
    const std::string_view name = line.substr(0, name_size);
    if (first == 'r' && equals_ignoring_case(name, received_name)) {
      ++scan.received;
    } else if (first == 'x') {
      const bool tenant = equals_ignoring_case(name, tenant_name);
      if (tenant || equals_ignoring_case(name, job_name)) {
        honour(std::string_view(content).substr(read, end - read), tenant ? scan.tenant : scan.job,
               scan);
        std::memmove(content.data() + kept, content.data() + moved, read - moved);
        kept += read - moved;
        moved = end;
      }
    }
    read = end;
  }
  content.erase(kept, moved - kept);
  return scan;
}

}  // namespace ringpost::mail
