// SPDX-License-Identifier: Apache-2.0
// Replay: which of the files found are the journal, where it ends, and every
// record of it in order (O2).
//
// The chain: an opening's segments are linked by number and incarnation, and
// its first one names the segment, incarnation and LSN that it continues. The
// chain ends at the highest segment from which links lead down without a gap
// to the record after `from` (or below). Segments off the chain are dead:
// cut off by an opening, never reached by a crashed one, or trimmed.
//
// Three walks. The survey goes over heads and metas from the highest claim in a
// segment header on, to find the end and the highest claim. Settling goes over
// the records above the highest claim: their data are read and checked, and
// they are written again in place, because a write that the page cache lost
// once would not be noticed by the next sync. The replay hands out what is
// there; the caller has synced it before, because what is replayed may become
// visible in the index at once.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "fs/base/status.h"
#include "fs/journal/journal.h"
#include "fs/journal/scanner.h"

namespace trefoil::journal {

using ReplayCallback = std::function<Status(const JournalRecord&)>;

// Indices into `files` (ascending by number) of the chain, oldest first; empty
// when no file holds the record after `from` or one before it.
std::vector<size_t> FindChain(const std::vector<SegmentFile>& files, Lsn from);

class Replayer {
 public:
  // `files` ascend by number and outlive this.
  Replayer(const std::vector<SegmentFile>& files, Lsn from);

  // Finds the journal's end. Once; afterwards all but Replay may be called.
  Status Settle();
  // Hands out the records, in order.
  Status Replay(const ReplayCallback& replay);

  // The LSN after the journal's last record.
  [[nodiscard]] Lsn end() const { return end_; }
  // The segment that holds the last record, and those of the chain below.
  [[nodiscard]] const SegmentFile* last_segment() const;
  [[nodiscard]] std::vector<const SegmentFile*> live_segments() const;
  // Has records that are not known to be durable and were written again.
  [[nodiscard]] const std::vector<const SegmentFile*>& rewritten() const {
    return rewritten_;
  }

 private:
  struct Cursor {
    size_t index = 0;  // in chain_
    uint64_t offset = kSegmentHeaderBytes;
    Lsn expected;
  };

  [[nodiscard]] const SegmentFile& Segment(size_t index) const {
    return files_[chain_[index]];
  }
  // At the last segment that begins at or below `lsn`.
  [[nodiscard]] Cursor StartAt(Lsn lsn) const;
  [[nodiscard]] NextSegment NextOf(const Cursor& at) const;
  Status StartChain();
  Status Survey();
  Status SettleTail();
  // Calls `visit` for what lies at each record's place from `first` on, until
  // the end, or until it answers false.
  using Visit = std::function<Result<bool>(const Cursor&, SegmentScanner&,
                                           const Scanned&)>;
  Status Walk(Lsn first, const Visit& visit);
  // What the rules say of the place where the walk stopped; never kAdopt.
  Result<TailAction> DecideStop(const Cursor& at, Found found);
  // The highest claim at places later than `at`.
  Result<Lsn> LaterClaims(const Cursor& at);
  // kRecord or kBadData. Writes a good record in place again.
  Result<Found> CheckUnclaimed(const Cursor& at, SegmentScanner& scanner,
                               const Scanned& record);
  [[nodiscard]] Status Corrupt(const Cursor& at, Lsn claimed) const;

  const std::vector<SegmentFile>& files_;
  const Lsn from_;
  std::vector<size_t> chain_;
  Lsn claimed_;  // the highest claim known
  Lsn end_;
  std::vector<const SegmentFile*> rewritten_;
};

}  // namespace trefoil::journal
