// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/replay.h"

#include <fmt/format.h>

#include <algorithm>

namespace trefoil::journal {
namespace {

// The index of segment `number` if it is a link of `incarnation`.
std::optional<size_t> FindLink(const std::vector<SegmentFile>& files,
                               uint64_t number, uint64_t incarnation) {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].number == number && files[i].IsOf(incarnation)) return i;
  }
  return std::nullopt;
}

// What segment `index` continues, if that is there and nothing lies between.
std::optional<size_t> FindPredecessor(const std::vector<SegmentFile>& files,
                                      size_t index) {
  const SegmentHeader& header = *files[index].header;
  if (header.previous_number == 0 || header.previous_end != header.first_lsn ||
      header.previous_number >= header.number) {
    return std::nullopt;
  }
  const std::optional<size_t> previous =
      FindLink(files, header.previous_number, header.previous_incarnation);
  // An empty predecessor is possible, one that begins later is not.
  if (!previous || files[*previous].header->first_lsn > header.first_lsn) {
    return std::nullopt;
  }
  return previous;
}

}  // namespace

std::vector<size_t> FindChain(const std::vector<SegmentFile>& files, Lsn from) {
  for (size_t top = files.size(); top-- > 0;) {
    if (!files[top].header) continue;
    std::vector<size_t> chain;
    for (std::optional<size_t> i = top; i; i = FindPredecessor(files, *i)) {
      chain.push_back(*i);
    }
    if (files[chain.back()].header->first_lsn <= from.Next()) {
      std::reverse(chain.begin(), chain.end());
      return chain;
    }
  }
  return {};
}

Replayer::Replayer(const std::vector<SegmentFile>& files, Lsn from)
    : files_(files),
      from_(from),
      chain_(FindChain(files, from)),
      end_(from.Next()) {
  for (const SegmentFile& file : files_) {
    if (file.header) claimed_ = std::max(claimed_, file.header->durable);
  }
}

Status Replayer::Settle() {
  if (chain_.empty()) return StartChain();
  TREFOIL_TRY(Survey());
  return SettleTail();
}

// Without a chain every file lies "later" than the record after `from`.
Status Replayer::StartChain() {
  for (const SegmentFile& file : files_) {
    SegmentScanner scanner(file);
    TREFOIL_ASSIGN(const Lsn claim, scanner.HighestClaim(kSegmentHeaderBytes));
    claimed_ = std::max(claimed_, claim);
  }
  const TailAction action =
      DecideTail(NextSegment::kNone, Found::kNothing, claimed_ >= end_);
  if (action != TailAction::kCorruption) return OkStatus();
  return {StatusCode::kCorruption,
          fmt::format("journal: record {} is not there, but was durable (up to "
                      "record {})",
                      end_.value, claimed_.value)};
}

Replayer::Cursor Replayer::StartAt(Lsn lsn) const {
  Cursor at;
  for (size_t i = 0; i < chain_.size(); ++i) {
    if (Segment(i).header->first_lsn <= lsn) at.index = i;
  }
  at.expected = Segment(at.index).header->first_lsn;
  return at;
}

NextSegment Replayer::NextOf(const Cursor& at) const {
  if (at.index + 1 == chain_.size()) return NextSegment::kNone;
  return Segment(at.index + 1).header->first_lsn == at.expected
             ? NextSegment::kHere
             : NextSegment::kLater;
}

Status Replayer::Survey() {
  Cursor at = StartAt(std::max(claimed_, from_).Next());
  for (;;) {
    SegmentScanner scanner(Segment(at.index));
    Found found = Found::kRecord;
    while (found == Found::kRecord && NextOf(at) != NextSegment::kHere) {
      TREFOIL_ASSIGN(const Scanned scanned, scanner.At(at.offset, at.expected));
      found = scanned.found;
      claimed_ = std::max(claimed_, scanned.seal_claim);
      if (found != Found::kRecord) break;
      claimed_ = std::max(claimed_, scanned.head.header.durable);
      at.offset += scanned.head.layout.length;
      at.expected = at.expected.Next();
    }
    TREFOIL_ASSIGN(const TailAction action, DecideStop(at, found));
    if (action == TailAction::kCorruption) return Corrupt(at, claimed_);
    if (action == TailAction::kTornTail) break;
    ++at.index;
    at.offset = kSegmentHeaderBytes;
  }
  end_ = at.expected;
  return OkStatus();
}

Result<TailAction> Replayer::DecideStop(const Cursor& at, Found found) {
  const NextSegment next = NextOf(at);
  if (next != NextSegment::kHere) {
    TREFOIL_ASSIGN(const Lsn later, LaterClaims(at));
    claimed_ = std::max(claimed_, later);
  }
  return DecideTail(next, found, claimed_ >= at.expected);
}

Result<Lsn> Replayer::LaterClaims(const Cursor& at) {
  Lsn highest;
  const SegmentFile& here = Segment(at.index);
  for (const SegmentFile& file : files_) {
    if (file.number < here.number) continue;
    SegmentScanner scanner(file);
    const uint64_t offset =
        file.number == here.number ? at.offset : kSegmentHeaderBytes;
    TREFOIL_ASSIGN(const Lsn claim, scanner.HighestClaim(offset));
    highest = std::max(highest, claim);
  }
  return highest;
}

Status Replayer::Walk(Lsn first, const Visit& visit) {
  Cursor at = StartAt(first);
  while (at.expected < end_) {
    SegmentScanner scanner(Segment(at.index));
    while (at.expected < end_ && NextOf(at) != NextSegment::kHere) {
      TREFOIL_ASSIGN(const Scanned scanned, scanner.At(at.offset, at.expected));
      if (at.expected >= first) {
        TREFOIL_ASSIGN(const bool go_on, visit(at, scanner, scanned));
        if (!go_on) return OkStatus();
      }
      at.offset += scanned.head.layout.length;
      at.expected = at.expected.Next();
    }
    ++at.index;
    at.offset = kSegmentHeaderBytes;
  }
  return OkStatus();
}

Status Replayer::SettleTail() {
  return Walk(std::max(claimed_, from_).Next(),
              [this](const Cursor& at, SegmentScanner& scanner,
                     const Scanned& scanned) -> Result<bool> {
                TREFOIL_ASSIGN(const Found found,
                               CheckUnclaimed(at, scanner, scanned));
                const TailAction action =
                    DecideTail(NextOf(at), found, /*claimed=*/false);
                if (action == TailAction::kAdopt) return true;
                end_ = at.expected;
                return false;
              });
}

Status Replayer::Replay(const ReplayCallback& replay) {
  if (chain_.empty()) return OkStatus();
  return Walk(from_.Next(),
              [&](const Cursor& at, SegmentScanner& /*scanner*/,
                  const Scanned& scanned) -> Result<bool> {
                // The survey has not seen those below the first claim.
                if (scanned.found != Found::kRecord) {
                  return Corrupt(at, claimed_);
                }
                JournalRecord record;
                record.lsn = at.expected;
                record.epoch = scanned.head.header.epoch;
                record.meta = scanned.meta;
                record.data = {Segment(at.index).number, scanned.offset, 0};
                record.data_length_bytes = scanned.head.header.data_length;
                TREFOIL_TRY(replay(record));
                return true;
              });
}

Result<Found> Replayer::CheckUnclaimed(const Cursor& at,
                                       SegmentScanner& scanner,
                                       const Scanned& record) {
  if (record.found != Found::kRecord) return record.found;
  TREFOIL_ASSIGN(const std::optional<std::string> whole,
                 scanner.ReadWhole(record));
  if (!whole) return Found::kBadData;
  const SegmentFile& segment = Segment(at.index);
  if (rewritten_.empty() || rewritten_.back() != &segment) {
    TREFOIL_TRY(segment.file->WriteAt(0, EncodeSegmentHeader(*segment.header)));
    rewritten_.push_back(&segment);
  }
  TREFOIL_TRY(segment.file->WriteAt(record.offset, *whole));
  return Found::kRecord;
}

Status Replayer::Corrupt(const Cursor& at, Lsn claimed) const {
  return {StatusCode::kCorruption,
          fmt::format("journal segment {}, offset {}: record {} is not valid, "
                      "but was durable (up to record {})",
                      Segment(at.index).number, at.offset, at.expected.value,
                      claimed.value)};
}

const SegmentFile* Replayer::last_segment() const {
  const std::vector<const SegmentFile*> live = live_segments();
  return live.empty() ? nullptr : live.back();
}

std::vector<const SegmentFile*> Replayer::live_segments() const {
  std::vector<const SegmentFile*> live;
  for (size_t i = 0; i < chain_.size(); ++i) {
    if (Segment(i).header->first_lsn < end_) live.push_back(&Segment(i));
  }
  return live;
}

}  // namespace trefoil::journal
