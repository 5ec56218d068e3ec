// Any bytes as an answer: unpacking neither breaks nor lets anything unsound through. The first
// byte of the input chooses the question; the rest is the message, under our id and question so
// that it gets past the first check, or as it stands.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ringpost/base/check.h"
#include "ringpost/dns/message.h"
#include "ringpost/dns/mx.h"
#include "ringpost/dns/name.h"

namespace {

using namespace ringpost;
using namespace ringpost::dns;

constexpr std::uint16_t id = 0x5a5a;

void judge(std::string_view message, const Question& question) {
  const Answer answer = parse_answer(message, question, id);
  check(answer.status == AnswerStatus::ok || (answer.mx.empty() && answer.addresses.empty()),
        "only a good answer has records");
  check(answer.time_to_live >= Duration::zero(), "no time to live is negative");
  const MxAnswer mx = mx_answer(question.name, answer, {}, "192.0.2.53:53");
  check((mx.status == LookupStatus::found) == !mx.hosts.empty(), "found means hosts");
  check(mx.hosts.size() <= max_mx_hosts, "hosts are bounded");
  for (const MxHost& host : mx.hosts) {
    check(canonical_name(host.name) == host.name, "hosts have proper names");
  }
  for (const char c : mx.problem.reason) {
    check(c >= ' ' && c <= '~', "reasons are printable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  constexpr RecordType types[] = {RecordType::mx, RecordType::a, RecordType::aaaa};
  const Question question{"example.org", types[data[0] % 3]};
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  judge(input, question);
  if (input.size() >= 8) {
    // Flags and counts from the input, one question, then the input as records.
    std::string message = build_query(question, id, Edns::no);
    message[2] = static_cast<char>((input[0] & 0x07) | 0x80);
    message[3] = input[1];
    message.replace(6, 6, input.substr(2, 6));
    message += input.substr(8);
    judge(message, question);
  }
  const std::span octets(data + 1, size - 1);
  if (const auto text = text_of_wire_name(octets)) {
    check(text->size() <= 4 * max_name_length + 4, "names are bounded");
  }
  return 0;
}
