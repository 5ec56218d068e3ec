#include "ringpost/dns/message.h"

#include <fmt/format.h>
#include <ldns/ldns.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "ringpost/dns/name.h"

namespace ringpost::dns {

namespace {

struct PacketDeleter {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, PacketDeleter>;

struct RecordDeleter {
  void operator()(ldns_rr* record) const { ldns_rr_free(record); }
};
using Record = std::unique_ptr<ldns_rr, RecordDeleter>;

struct MallocDeleter {
  void operator()(std::uint8_t* bytes) const { std::free(bytes); }
};
using MallocBytes = std::unique_ptr<std::uint8_t, MallocDeleter>;

constexpr std::size_t header_size = 12;

std::span<const std::uint8_t> bytes_of(const ldns_rdf* field) {
  if (field == nullptr || ldns_rdf_data(field) == nullptr) {
    return {};
  }
  return {ldns_rdf_data(field), ldns_rdf_size(field)};
}

// Data field `index` of a record; empty where the record has none.
std::span<const std::uint8_t> data_of(const ldns_rr* record, std::size_t index) {
  return index < ldns_rr_rd_count(record) ? bytes_of(ldns_rr_rdf(record, index))
                                          : std::span<const std::uint8_t>();
}

std::optional<std::string> owner_of(const ldns_rr* record) {
  return text_of_wire_name(bytes_of(ldns_rr_owner(record)));
}

std::uint32_t big_endian(std::span<const std::uint8_t> bytes) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : bytes) {
    value = value << 8 | byte;
  }
  return value;
}

Duration seconds_of(std::uint32_t time_to_live) {
  // RFC 2181 section 8: with the top bit set it counts as zero.
  return std::chrono::seconds(time_to_live > 0x7fffffff ? 0 : time_to_live);
}

// The header and the question only, so that a mismatch is seen whatever follows, and an answer
// that was cut short is known as truncated wherever it was cut.
bool is_for(std::span<const std::uint8_t> wire, const Question& question, std::uint16_t id) {
  if (wire.size() < header_size || LDNS_ID_WIRE(wire.data()) != id || !LDNS_QR_WIRE(wire.data()) ||
      LDNS_OPCODE_WIRE(wire.data()) != LDNS_PACKET_QUERY || LDNS_QDCOUNT(wire.data()) != 1) {
    return false;
  }
  ldns_rr* raw = nullptr;
  std::size_t position = header_size;
  if (ldns_wire2rr(&raw, wire.data(), wire.size(), &position, LDNS_SECTION_QUESTION) !=
      LDNS_STATUS_OK) {
    return false;
  }
  const Record asked(raw);
  return ldns_rr_get_class(asked.get()) == LDNS_RR_CLASS_IN &&
         std::uint16_t(ldns_rr_get_type(asked.get())) == std::uint16_t(question.type) &&
         owner_of(asked.get()) == question.name;
}

// An answer section as names: a record is looked for by its owner's text.
struct OwnedRecord {
  std::string owner;
  const ldns_rr* record;
};

std::vector<OwnedRecord> records_of(const ldns_rr_list* list) {
  std::vector<OwnedRecord> records;
  const std::size_t count = list == nullptr ? 0 : ldns_rr_list_rr_count(list);
  records.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const ldns_rr* record = ldns_rr_list_rr(list, i);
    if (ldns_rr_get_class(record) != LDNS_RR_CLASS_IN) {
      continue;
    }
    if (std::optional<std::string> owner = owner_of(record)) {
      records.push_back({*std::move(owner), record});
    }
  }
  return records;
}

// Adds one record of the type asked for. False: its data is not what the type demands.
bool collect(const ldns_rr* record, RecordType type, Answer& answer) {
  const std::span<const std::uint8_t> first = data_of(record, 0);
  if (type == RecordType::mx) {
    std::optional<std::string> exchange = text_of_wire_name(data_of(record, 1));
    if (first.size() != 2 || !exchange) {
      return false;
    }
    answer.mx.push_back({static_cast<std::uint16_t>(big_endian(first)), *std::move(exchange)});
  } else if (type == RecordType::a) {
    if (first.size() != 4) {
      return false;
    }
    answer.addresses.push_back(IpAddress::v4(first.first<4>()));
  } else {
    if (first.size() != 16) {
      return false;
    }
    answer.addresses.push_back(IpAddress::v6(first.first<16>()));
  }
  answer.time_to_live = std::min(answer.time_to_live, seconds_of(ldns_rr_ttl(record)));
  return true;
}

// RFC 2308 section 5: the smaller of the SOA record's own TTL and its MINIMUM field.
Duration negative_time_to_live(const ldns_pkt* packet) {
  for (const auto& [owner, record] : records_of(ldns_pkt_authority(packet))) {
    const std::span<const std::uint8_t> minimum = data_of(record, 6);
    if (ldns_rr_get_type(record) == LDNS_RR_TYPE_SOA && minimum.size() == 4) {
      return std::min(seconds_of(ldns_rr_ttl(record)), seconds_of(big_endian(minimum)));
    }
  }
  return Duration::zero();
}

// Follows the aliases from the question's name to the records. We ask recursive servers, which
// complete the chain (RFC 1034 section 4.3.2): where it ends without records there are none.
void collect_chain(const ldns_pkt* packet, const Question& question, Answer& answer) {
  const std::vector<OwnedRecord> records = records_of(ldns_pkt_answer(packet));
  std::string name = question.name;
  for (int aliases = 0;; ++aliases) {
    bool found = false;
    const ldns_rr* alias = nullptr;
    for (const auto& [owner, record] : records) {
      if (owner != name) {
        continue;
      }
      if (std::uint16_t(ldns_rr_get_type(record)) == std::uint16_t(question.type)) {
        if (!collect(record, question.type, answer)) {
          answer.status = AnswerStatus::malformed;
          return;
        }
        found = true;
      } else if (ldns_rr_get_type(record) == LDNS_RR_TYPE_CNAME) {
        alias = record;
      }
    }
    if (found || alias == nullptr) {
      answer.status = found ? AnswerStatus::ok : AnswerStatus::no_data;
      return;
    }
    std::optional<std::string> target = text_of_wire_name(data_of(alias, 0));
    if (!target || aliases == max_aliases) {
      answer.status = AnswerStatus::malformed;
      return;
    }
    answer.time_to_live = std::min(answer.time_to_live, seconds_of(ldns_rr_ttl(alias)));
    name = *std::move(target);
  }
}

Answer failed(AnswerStatus status, int rcode) {
  return {.status = status, .rcode = rcode};
}

}  // namespace

std::string_view name_of(RecordType type) {
  switch (type) {
    case RecordType::a:
      return "A";
    case RecordType::mx:
      return "MX";
    case RecordType::aaaa:
      return "AAAA";
  }
  return "?";
}

std::string rcode_text(int rcode) {
  constexpr std::array<std::string_view, 6> names = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                     "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return rcode >= 0 && static_cast<std::size_t>(rcode) < names.size()
             ? std::string(names[static_cast<std::size_t>(rcode)])
             : fmt::format("rcode {}", rcode);
}

std::string build_query(const Question& question, std::uint16_t id, Edns edns) {
  const std::string name = question.name.empty() ? "." : question.name;
  ldns_pkt* raw = nullptr;
  if (ldns_pkt_query_new_frm_str(&raw, name.c_str(), static_cast<ldns_rr_type>(question.type),
                                 LDNS_RR_CLASS_IN, LDNS_RD) != LDNS_STATUS_OK) {
    return {};
  }
  const Packet packet(raw);
  ldns_pkt_set_id(packet.get(), id);
  if (edns == Edns::yes) {
    ldns_pkt_set_edns_udp_size(packet.get(), udp_payload_size);
  }
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&wire, packet.get(), &size) != LDNS_STATUS_OK) {
    return {};
  }
  const MallocBytes owned(wire);
  return {reinterpret_cast<const char*>(wire), size};
}

Answer parse_answer(std::string_view message, const Question& question, std::uint16_t id) {
  const std::span wire(reinterpret_cast<const std::uint8_t*>(message.data()), message.size());
  if (!is_for(wire, question, id)) {
    return failed(AnswerStatus::mismatched, 0);
  }
  const int rcode = LDNS_RCODE_WIRE(wire.data());
  if (message.size() > max_message_size) {
    return failed(AnswerStatus::malformed, rcode);
  }
  if (LDNS_TC_WIRE(wire.data())) {
    return failed(AnswerStatus::truncated, rcode);
  }
  if (rcode == LDNS_RCODE_REFUSED) {
    return failed(AnswerStatus::refused, rcode);
  }
  if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN) {
    return failed(AnswerStatus::server_failure, rcode);
  }
  ldns_pkt* raw = nullptr;
  if (ldns_wire2pkt(&raw, wire.data(), wire.size()) != LDNS_STATUS_OK) {
    return failed(AnswerStatus::malformed, rcode);
  }
  const Packet packet(raw);
  // RFC 6891 section 6.1.3: the upper bits of the code, as in BADVERS.
  if (const int upper = ldns_pkt_edns_extended_rcode(packet.get()); upper != 0) {
    return failed(AnswerStatus::server_failure, upper << 4 | rcode);
  }
  Answer answer{
      .status = AnswerStatus::name_error, .rcode = rcode, .time_to_live = Duration::max()};
  if (rcode == LDNS_RCODE_NOERROR) {
    collect_chain(packet.get(), question, answer);
  }
  if (answer.status == AnswerStatus::malformed) {
    return failed(AnswerStatus::malformed, rcode);
  }
  if (answer.status != AnswerStatus::ok) {
    answer.time_to_live = std::min(answer.time_to_live, negative_time_to_live(packet.get()));
  }
  return answer;
}

}  // namespace ringpost::dns
