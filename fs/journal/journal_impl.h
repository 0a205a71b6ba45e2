// SPDX-License-Identifier: Apache-2.0
// The journal's write side: gives records their places, writes them, and lets
// segments go.
//
// Thread rule: as journal.h says.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "fs/base/mutex.h"
#include "fs/journal/admission.h"
#include "fs/journal/group_commit.h"
#include "fs/journal/journal.h"
#include "fs/journal/segment.h"
#include "fs/journal/segment_pool.h"

namespace trefoil::journal {

class JournalImpl final : public Journal {
 public:
  JournalImpl(Env& env, Clock& clock, std::string dir, PoolLimits limits,
              Lsn durable);
  ~JournalImpl() override;

  // Setting up, in this order, by one thread: the pool, the segments of the
  // earlier openings, oldest first, then the one that this opening starts.
  SegmentPool& pool() { return pool_; }
  void AddOld(const SegmentFile& found) EXCLUDES(mu_);
  // Durable when this is OK. `header` has this opening's incarnation.
  Status StartSegment(const SegmentHeader& header) EXCLUDES(mu_);

  void NotifyFailure(std::function<void(const Status&)> on_failure) override {
    on_failure_ = std::move(on_failure);
  }
  Status Admit(uint64_t bytes, bool urgent) override;
  void Cancel(uint64_t bytes) override;
  JournalReservation Reserve(Epoch epoch, uint32_t meta_length_bytes,
                             uint32_t data_length_bytes) override EXCLUDES(mu_);
  Status Write(const JournalReservation& reservation, std::string_view meta,
               std::string_view data) override EXCLUDES(mu_);
  Status WaitWritten(Lsn lsn) override;
  Status Sync(Lsn lsn) override;
  Status ReadData(const JournalPosition& position, std::span<char> out) override
      EXCLUDES(mu_);
  Status Trim(Lsn lsn) override EXCLUDES(mu_);
  [[nodiscard]] JournalStats stats() const override EXCLUDES(mu_);

 private:
  using SegmentPtr = std::shared_ptr<Segment>;

  [[nodiscard]] SegmentPtr Find(uint64_t segment_no) const EXCLUDES(mu_);
  void MakeActive(SegmentPtr segment) REQUIRES(mu_);
  // Goes on in a new segment; false, with the journal failed, when there is
  // none to be had.
  bool Roll() REQUIRES(mu_);
  [[nodiscard]] uint64_t UsedBytes() const REQUIRES(mu_);
  Status WriteRecord(Segment& segment, RecordPlace place,
                     const RecordHeader& header, std::string_view meta,
                     std::string_view data);
  // After a clean end: claims that everything is durable, so that damage to
  // the last records can't pass for a torn tail.
  void WriteSeal() EXCLUDES(mu_);

  Env& env_;
  const std::string dir_;
  SegmentPool pool_;
  Admission admission_;
  GroupCommit commit_;
  uint64_t incarnation_ = 0;  // constant once the first segment is started
  std::function<void(const Status&)> on_failure_;  // constant from then on

  mutable Mutex mu_;  // before those of pool_, admission_ and commit_
  std::map<uint64_t, SegmentPtr> live_ GUARDED_BY(mu_);
  uint64_t full_bytes_ GUARDED_BY(mu_) = 0;  // of all but the active segment
  SegmentPtr active_ GUARDED_BY(mu_);
  uint64_t offset_ GUARDED_BY(mu_) = 0;  // in the active segment
  Lsn next_lsn_ GUARDED_BY(mu_);
};

}  // namespace trefoil::journal
