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
// Two walks: the survey goes over heads and metas from the highest claim in a
// segment header on, to find the end and the highest claim; the replay goes
// over what the survey found and hands records out. Only records above the
// highest claim have their data read and checked; they are also written again
// in place, because a write that the page cache lost once would not be
// noticed by the next sync.
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

  // Once. Afterwards the following are set.
  Status Run(const ReplayCallback& replay);

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
  // What the rules say of the place where the walk stopped; never kAdopt.
  Result<TailAction> DecideStop(const Cursor& at, Found found);
  // The highest claim at places later than `at`.
  Result<Lsn> LaterClaims(const Cursor& at);
  Status Replay(const ReplayCallback& replay);
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
