// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace trefoil::journal {
namespace {

// Dirty pages are sent on their way in pieces of this size, so that a sync
// finds little left to write.
constexpr uint64_t kWritebackBytes = 4 << 20;

Status Bad(const JournalPosition& position, std::string_view what) {
  return {StatusCode::kCorruption,
          fmt::format("journal segment {}, record at {}, data at {}: {}",
                      position.segment_no, position.record_offset,
                      position.data_offset, what)};
}

// Reads all of `out`.
Status ReadFully(File& file, uint64_t offset, std::span<char> out,
                 const JournalPosition& position) {
  TREFOIL_ASSIGN(const size_t got, file.ReadAt(offset, out));
  if (got != out.size()) return Bad(position, "the file ends");
  return OkStatus();
}

}  // namespace

Segment::Segment(const SegmentFile& found)
    : header_(*found.header),
      size_bytes_(found.size_bytes),
      file_(found.file),
      active_(true),
      path_(found.path) {}

Segment::Segment(const SegmentHeader& header, SpareSegment spare)
    : header_(header),
      size_bytes_(header.size_bytes),
      file_(std::move(spare.file)),
      active_(false),
      path_(std::move(spare.path)) {}

std::string Segment::path() const {
  const MutexLock lock(mu_);
  return path_;
}

Status Segment::Activate(Env& env, const std::string& dir, bool* renamed) {
  const MutexLock lock(mu_);
  if (active_ || !activation_.ok()) return activation_;
  std::string path = JoinPath(dir, SegmentName(header_.number));
  activation_ = env.Rename(path_, path);
  if (!activation_.ok()) return activation_;
  path_ = std::move(path);
  *renamed = true;
  activation_ = file_->WriteAt(0, EncodeSegmentHeader(header_));
  active_ = activation_.ok();
  return activation_;
}

Status Segment::Write(uint64_t offset,
                      std::span<const std::string_view> parts) {
  Status written = file_->WriteAt(offset, parts);
  if (written.ok()) return written;
  return written.WithContext(
      fmt::format("journal segment {}, offset {}", number(), offset));
}

uint64_t Segment::TakeWriteback(uint64_t end) {
  uint64_t from = writeback_from_.load();
  while (from + kWritebackBytes <= end) {
    if (writeback_from_.compare_exchange_weak(from, end)) return from;
  }
  return end;
}

Status Segment::ReadData(const JournalPosition& position,
                         std::span<char> out) const {
  std::array<char, kMaxHeadBytes> raw;
  TREFOIL_ASSIGN(const size_t got, file_->ReadAt(position.record_offset, raw));
  const std::optional<RecordHead> head = DecodeRecordHead(
      {raw.data(), got}, {position.segment_no, position.record_offset},
      size_bytes_);
  if (!head || head->header.incarnation != header_.incarnation) {
    return Bad(position, "no valid record");
  }
  const uint32_t data_length = head->header.data_length;
  const uint64_t begin = position.data_offset;
  const uint64_t end = begin + out.size();
  if (end > data_length) return Bad(position, "beyond the record's data");
  // Whole checks only can be verified.
  const uint64_t first = begin / kJournalCheckBytes * kJournalCheckBytes;
  const uint64_t last = std::min<uint64_t>(
      data_length,
      (end + kJournalCheckBytes - 1) / kJournalCheckBytes * kJournalCheckBytes);
  const uint64_t data_at = position.record_offset + head->layout.data_start;
  std::string covering;
  std::span<char> target = out;
  if (first != begin || last != end) {
    covering.resize(last - first);
    target = covering;
  }
  TREFOIL_TRY(ReadFully(*file_, data_at + first, target, position));
  if (FindBadData(*head, static_cast<uint32_t>(first / kJournalCheckBytes),
                  {target.data(), target.size()})) {
    return Bad(position, "data fail their checksum");
  }
  if (target.data() != out.data()) {
    std::copy_n(covering.data() + (begin - first), out.size(), out.data());
  }
  return OkStatus();
}

}  // namespace trefoil::journal
