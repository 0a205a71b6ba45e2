// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/scanner.h"

#include <algorithm>

namespace trefoil::journal {
namespace {

// Read ahead by this much: many small records in one call, and not much in
// vain where the data of a large one follow.
constexpr size_t kWindowBytes = 64 << 10;

}  // namespace

SegmentScanner::SegmentScanner(const SegmentFile& segment)
    : segment_(segment) {}

Result<std::string_view> SegmentScanner::AtLeast(uint64_t offset, size_t size) {
  if (offset >= segment_.size_bytes) return std::string_view();
  size = std::min<size_t>(size, segment_.size_bytes - offset);
  if (offset < buffer_offset_ ||
      offset + size > buffer_offset_ + buffer_.size()) {
    const size_t want = std::min<size_t>(std::max(size, kWindowBytes),
                                         segment_.size_bytes - offset);
    buffer_.resize(want);
    buffer_offset_ = offset;
    TREFOIL_ASSIGN(const size_t got, segment_.file->ReadAt(offset, buffer_));
    buffer_.resize(got);
  }
  return std::string_view(buffer_).substr(offset - buffer_offset_);
}

Result<std::string_view> SegmentScanner::Bytes(uint64_t offset, size_t size) {
  TREFOIL_ASSIGN(const std::string_view bytes, AtLeast(offset, size));
  return bytes.substr(0, size);
}

Result<std::optional<RecordHead>> SegmentScanner::HeadAt(uint64_t offset) {
  const std::optional<RecordHead> none;
  TREFOIL_ASSIGN(const std::string_view start,
                 Bytes(offset, kRecordHeaderBytes));
  const std::optional<uint32_t> head_bytes = PeekHeadBytes(start);
  if (!head_bytes) return none;
  TREFOIL_ASSIGN(const std::string_view head, Bytes(offset, *head_bytes));
  return DecodeRecordHead(head,
                          {segment_.number, static_cast<uint32_t>(offset)},
                          segment_.size_bytes);
}

Result<Scanned> SegmentScanner::At(uint64_t offset, Lsn expected) {
  Scanned out;
  out.offset = static_cast<uint32_t>(offset);
  TREFOIL_ASSIGN(const std::optional<RecordHead> head, HeadAt(offset));
  if (!head || !segment_.IsOf(head->header.incarnation) ||
      head->header.lsn != expected) {
    return out;
  }
  out.head = *head;
  if (head->header.type == RecordType::kSeal) {
    out.seal_claim = head->header.durable;
    return out;
  }
  const uint32_t head_bytes = head->layout.meta_start;
  const uint32_t meta_length = head->header.meta_length;
  TREFOIL_ASSIGN(const std::string_view both,
                 Bytes(offset, size_t{head_bytes} + meta_length));
  // The buffer may have moved.
  out.head.checks =
      both.substr(kRecordHeaderBytes, head_bytes - kRecordHeaderBytes);
  out.meta = both.substr(head_bytes);
  const bool good = head->header.type == RecordType::kTransaction &&
                    MetaIsValid(head->header, out.meta);
  out.found = good ? Found::kRecord : Found::kBadRecord;
  return out;
}

Result<std::optional<std::string>> SegmentScanner::ReadWhole(
    const Scanned& record) {
  const RecordLayout& layout = record.head.layout;
  const uint32_t data_length = record.head.header.data_length;
  std::string whole(size_t{layout.data_start} + data_length, '\0');
  TREFOIL_ASSIGN(const size_t got, segment_.file->ReadAt(record.offset, whole));
  whole.resize(got);
  const std::optional<std::string> bad;
  if (whole.size() != size_t{layout.data_start} + data_length) return bad;
  const std::string_view data =
      std::string_view(whole).substr(layout.data_start);
  if (FindBadData(record.head, 0, data)) return bad;
  return std::optional<std::string>(std::move(whole));
}

Result<Lsn> SegmentScanner::HighestClaim(uint64_t offset) {
  Lsn highest;
  while (offset + kRecordHeaderBytes <= segment_.size_bytes) {
    TREFOIL_ASSIGN(const std::string_view window,
                   AtLeast(offset, kRecordHeaderBytes));
    if (window.size() < kRecordHeaderBytes) break;
    const uint64_t window_offset = offset;
    const uint64_t last = offset + window.size() - kRecordHeaderBytes;
    for (; offset <= last; offset += kRecordAlignment) {
      uint32_t magic = 0;
      std::memcpy(&magic,
                  window.data() + (offset - window_offset) + kRecordMagicOffset,
                  sizeof(magic));
      if (magic == kRecordMagic) break;
    }
    if (offset > last) continue;
    TREFOIL_ASSIGN(const std::optional<RecordHead> head, HeadAt(offset));
    if (head && (!segment_.header || segment_.IsOf(head->header.incarnation))) {
      highest = std::max(highest, head->header.durable);
    }
    offset += kRecordAlignment;
  }
  return highest;
}

}  // namespace trefoil::journal
