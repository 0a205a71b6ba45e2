// SPDX-License-Identifier: Apache-2.0
// Reads the records of one segment, from what may be any bytes at all (O10):
// finds the record expected at a place, checks its data, and searches what
// nobody vouches for, for claims of durability.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fs/base/env.h"
#include "fs/journal/record.h"
#include "fs/journal/tail_rules.h"

namespace trefoil::journal {

// A segment's file as opening found it.
struct SegmentFile {
  uint64_t number = 0;
  uint64_t size_bytes = 0;
  std::string path;
  std::shared_ptr<File> file;
  std::optional<SegmentHeader> header;  // nothing when it is not valid

  [[nodiscard]] bool IsOf(uint64_t incarnation) const {
    return header && header->incarnation == incarnation;
  }
};

// What lies at a place. The views are valid until the scanner reads again.
struct Scanned {
  Found found = Found::kNothing;
  uint32_t offset = 0;
  RecordHead head;  // unless kNothing
  std::string_view meta;
  Lsn seal_claim;  // of the seal found here, otherwise 0
};

class SegmentScanner {
 public:
  explicit SegmentScanner(const SegmentFile& segment);

  // What is at `offset`, where the record `expected` should be. Does not look
  // at data: never kBadData. An error is the file's.
  Result<Scanned> At(uint64_t offset, Lsn expected);
  // The bytes of the record from its start to the end of its data, or nothing
  // when the data fail their checks.
  Result<std::optional<std::string>> ReadWhole(const Scanned& record);
  // The highest claim of any valid record at or after `offset`. Where the
  // segment has a valid header, records of other incarnations don't count.
  Result<Lsn> HighestClaim(uint64_t offset);

 private:
  // `size` bytes at `offset` and what else the buffer holds after them; fewer
  // only at the segment's end.
  Result<std::string_view> AtLeast(uint64_t offset, size_t size);
  // Exactly `size` bytes at `offset`; fewer only at the segment's end.
  Result<std::string_view> Bytes(uint64_t offset, size_t size);
  Result<std::optional<RecordHead>> HeadAt(uint64_t offset);

  const SegmentFile& segment_;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
};

}  // namespace trefoil::journal
