// SPDX-License-Identifier: Apache-2.0
// The bytes of the journal. A segment is a file of fixed size:
//
//   segment := header padding(to kSegmentHeaderBytes) record* remnant
//   header  := check:u64 magic:u64 version:u32 header_bytes:u32 number:u64
//              size:u64 incarnation:u64 first_lsn:u64 durable:u64
//              previous_number:u64 previous_incarnation:u64 previous_end:u64
//   record  := check:u64 magic:u32 length:u32 type:u16 zero:u16 meta_length:u32
//              data_length:u32 data_start:u32 lsn:u64 epoch:u64
//              incarnation:u64 durable:u64 meta_check:u64
//              data_check:u64[ceil(data_length / 4096)]
//              meta padding data padding(to kRecordAlignment)
//
// All numbers are little-endian. Every check is XXH3-64:
// - of a header: the bytes after the check, up to and with previous_end;
// - of a record: the bytes after the check, up to and with the data checks,
//   seeded with the place (PlaceSeed), so that a record is valid only where it
//   was written: neither a remnant in a recycled file nor a copy of a segment
//   inside somebody's data can pass for one;
// - meta_check covers the meta, each data_check 4096 bytes of data (the last
//   one what is left). Headers and metas can thus be read without the data.
// `length` counts from the record's first byte to the next record's;
// `data_start` from the record's first byte to the data's. Data of
// kPageAlignFrom bytes or more start at a multiple of 4096 in the file.
// `durable` is the LSN up to which the journal was on stable storage when the
// header or record was made (a claim). `previous_*` say what a segment
// continues: the number and incarnation of the segment before and the LSN
// after its last record; zero when there is none.
// What follows the last record (the remnant) is zeros or what the file held
// before it was recycled.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/base/bytes.h"
#include "fs/base/status.h"
#include "fs/base/types.h"
#include "fs/journal/journal.h"

namespace trefoil::journal {

inline constexpr uint64_t kSegmentMagic = 0x4745534a4c465254;  // "TRFLJSEG"
inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr uint32_t kSegmentHeaderBytes = 4096;
inline constexpr uint32_t kSegmentHeaderUsedBytes = 88;
static_assert(kSegmentHeaderUsedBytes == 2 * 4 + 10 * 8);

inline constexpr uint32_t kRecordMagic = 0x44434552;  // "RECD"
inline constexpr uint32_t kRecordHeaderBytes = 72;
static_assert(kRecordHeaderBytes == 2 * 2 + 5 * 4 + 6 * 8);
inline constexpr uint32_t kRecordMagicOffset = 8;
inline constexpr uint32_t kRecordAlignment = 16;
inline constexpr uint32_t kPageAlignFrom = 64 << 10;
inline constexpr uint32_t kPageBytes = 4096;
static_assert(kSegmentHeaderBytes % kRecordAlignment == 0);
// Bounds on the header with its data checks.
inline constexpr uint32_t kMaxDataChecks =
    static_cast<uint32_t>(kMaxRecordDataBytes / kJournalCheckBytes);
inline constexpr uint32_t kMaxHeadBytes =
    kRecordHeaderBytes + kMaxDataChecks * 8;
static_assert(kMaxHeadBytes == 72 + 4096);

struct SegmentHeader {
  uint64_t number = 0;
  uint64_t size_bytes = 0;
  uint64_t incarnation = 0;
  Lsn first_lsn;
  Lsn durable;
  uint64_t previous_number = 0;
  uint64_t previous_incarnation = 0;
  Lsn previous_end;

  // True for the first segment of an opening of the journal.
  [[nodiscard]] bool IsOpening() const {
    return previous_incarnation != incarnation;
  }
  bool operator==(const SegmentHeader&) const = default;
};

// kSegmentHeaderBytes bytes.
std::string EncodeSegmentHeader(const SegmentHeader& header);
// `raw` starts with the first kSegmentHeaderUsedBytes bytes of file `number`.
// kCorruption when they are no header of that segment, kNewerFormat when a
// newer version wrote it.
Result<SegmentHeader> DecodeSegmentHeader(std::string_view raw,
                                          uint64_t number);

enum class RecordType : uint16_t {
  kTransaction = 1,
  // The last of a clean close. It takes no LSN (its own is the next one to be
  // given) and exists for its claim.
  kSeal = 2,
};

// Where the parts of a record lie, counted from its first byte.
struct RecordLayout {
  uint32_t check_count = 0;
  uint32_t meta_start = 0;
  uint32_t data_start = 0;
  uint32_t length = 0;
};

// The layout of a record that starts at `offset` of its segment.
RecordLayout LayoutOf(uint64_t offset, uint32_t meta_length,
                      uint32_t data_length);
// No record with `payload` bytes of meta and data is longer.
uint64_t RecordLengthBound(uint64_t payload);

struct RecordHeader {
  RecordType type = RecordType::kTransaction;
  uint32_t meta_length = 0;
  uint32_t data_length = 0;
  Lsn lsn;
  Epoch epoch;
  uint64_t incarnation = 0;
  Lsn durable;
  uint64_t meta_check = 0;

  [[nodiscard]] uint32_t CheckCount() const {
    return (data_length + kJournalCheckBytes - 1) / kJournalCheckBytes;
  }
};

// A place in the journal.
struct RecordPlace {
  uint64_t segment_no = 0;
  uint32_t offset = 0;
};

uint64_t PlaceSeed(RecordPlace place);

// Appends header and data checks of a record at `place` to `out`; fills in
// meta_check.
void EncodeRecordHead(RecordPlace place, RecordHeader header,
                      std::string_view meta, std::string_view data,
                      std::string* out);

// A record's header and data checks. Borrows from the bytes decoded.
struct RecordHead {
  RecordHeader header;
  RecordLayout layout;
  std::string_view checks;  // header.CheckCount() little-endian u64

  [[nodiscard]] uint64_t DataCheck(uint32_t index) const {
    return ByteReader(checks.substr(size_t{index} * 8, 8)).U64();
  }
};

// The bytes that a head has, by its still unverified header: `raw` has
// kRecordHeaderBytes. Nothing when the header can't be one.
std::optional<uint32_t> PeekHeadBytes(std::string_view raw);
// The head at `place` in a segment of `segment_size` bytes, or nothing when
// `raw`, which starts there, holds none that is valid.
std::optional<RecordHead> DecodeRecordHead(std::string_view raw,
                                           RecordPlace place,
                                           uint64_t segment_size);

[[nodiscard]] bool MetaIsValid(const RecordHeader& header,
                               std::string_view meta);
// The first check that does not hold for `data`, which begins at check
// `first`, or nothing. `data` ends at a check boundary or the data's end.
std::optional<uint32_t> FindBadData(const RecordHead& head, uint32_t first,
                                    std::string_view data);

// "000000000000002a.seg" of 42 and back; nothing when `name` is no such name.
std::string SegmentName(uint64_t number);
std::optional<uint64_t> ParseSegmentName(std::string_view name);

}  // namespace trefoil::journal
