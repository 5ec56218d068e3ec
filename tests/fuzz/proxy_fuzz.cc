// Any bytes as the header of the PROXY protocol: however they are cut, the same is made of them,
// and what was malformed once stays so.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ringpost/base/check.h"
#include "ringpost/net/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ringpost;
  using Status = net::ProxyHeader::Status;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const net::ProxyHeader whole = net::parse_proxy_header(input);
  if (whole.status == Status::complete) {
    check(whole.length <= input.size() && whole.length <= net::most_proxy_header,
          "a header is part of what was given, and bounded");
  } else if (whole.status == Status::need_more) {
    check(input.size() < net::most_proxy_header, "what is wanted is bounded");
  }
  const std::size_t most = std::min<std::size_t>(size, 256);
  for (std::size_t length = 0; length < most; ++length) {
    const net::ProxyHeader part = net::parse_proxy_header(input.substr(0, length));
    check(part.status != Status::malformed || whole.status == Status::malformed,
          "more bytes mend nothing");
    if (part.status == Status::complete) {
      check(whole.status == Status::complete && whole.length == part.length &&
                whole.kind == part.kind && whole.client == part.client && part.length <= length,
            "what follows a header changes nothing");
    }
  }
  return 0;
}
