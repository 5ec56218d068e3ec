// Puts the bytes of a segment together as the writer would, for tests that read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringpost/spool/batch_builder.h"
#include "ringpost/spool/segment_header.h"
#include "ringpost/spool/segment_scan.h"
#include "samples.h"

namespace ringpost::spool {

class SegmentImage {
 public:
  SegmentImage(SegmentName name, std::size_t size) : name_(name), bytes_(size, '\0') {
    SegmentHeader header;
    header.state = SegmentHeader::State::in_use;
    header.spool = name.spool;
    header.segment = name.segment;
    header.size = size;
    bytes_.replace(0, SegmentHeader::area, encode(header));
  }

  // Starts a batch; records are added to builder(), commit() writes it.
  BatchBuilder& builder() {
    if (!open_) {
      builder_.begin(Ticket(), static_cast<std::uint32_t>(name_.segment),
                     static_cast<std::uint32_t>(end_));
      open_ = true;
    }
    return builder_;
  }
  SegmentImage& add(const mail::Message& message) {
    builder().add(samples::encoded(message, samples::key(message.id.value)), message.content, true);
    return *this;
  }
  template <class Record>
  SegmentImage& add(const Record& record) {
    builder().add(samples::encoded(record), {}, false);
    return *this;
  }
  // Returns where the batch begins.
  std::size_t commit() {
    builder().seal(name_.spool, next_batch_++);
    builder_.describe(index_);
    const std::size_t start = end_;
    bytes_.replace(start, builder_.bytes().size(), builder_.bytes());
    end_ += builder_.bytes().size();
    open_ = false;
    return start;
  }

  // The file now holds `segment`; what was written before stays behind the new header.
  void reuse_as(std::uint64_t segment) {
    const std::string old = bytes_;
    *this = SegmentImage({name_.spool, segment}, old.size(), next_batch_);
    bytes_.replace(SegmentHeader::area, std::string::npos, old.substr(SegmentHeader::area));
  }

  SegmentContents scan(std::uint64_t first_void = no_void) const {
    SegmentContents contents;
    scan_batches(std::string_view(bytes_).substr(SegmentHeader::area), SegmentHeader::area, name_,
                 first_void, contents);
    return contents;
  }

  std::string& bytes() { return bytes_; }
  [[nodiscard]] std::size_t end() const { return end_; }
  [[nodiscard]] const SegmentName& name() const { return name_; }
  SegmentIndex& index() { return index_; }

 private:
  SegmentImage(SegmentName name, std::size_t size, std::uint64_t next_batch)
      : SegmentImage(name, size) {
    next_batch_ = next_batch;
  }
  SegmentImage& operator=(SegmentImage&& other) {
    name_ = other.name_;
    bytes_ = std::move(other.bytes_);
    index_ = std::move(other.index_);
    end_ = other.end_;
    next_batch_ = other.next_batch_;
    open_ = false;
    return *this;
  }

  SegmentName name_;
  std::string bytes_;
  BatchBuilder builder_{block_size};
  SegmentIndex index_;
  std::size_t end_ = SegmentHeader::area;
  std::uint64_t next_batch_ = 1;
  bool open_ = false;
};

inline std::vector<std::uint64_t> ids_in(const SegmentContents& contents) {
  std::vector<std::uint64_t> ids;
  for (const StoredRecord& record : contents.records) {
    ids.push_back(key_of(record.meta)->message.value);
  }
  return ids;
}

}  // namespace ringpost::spool
