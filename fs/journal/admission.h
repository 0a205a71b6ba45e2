// SPDX-License-Identifier: Apache-2.0
// Admission: who may add to the journal, when. Holds bytes for admitted
// records so that a reservation always finds its place, slows writers smoothly
// as the journal fills, and stops them at the bound until Trim makes room. The
// last segments are a reserve for urgent callers: what frees space must never
// wait for space (O8).
//
// Slowing is a pace, shared by all: above kSlowFrom of the bound each byte
// takes a time that grows with the cube of the fill, so that any speed of
// destage finds its own level, whatever the number of writers.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>

#include "fs/base/clock.h"
#include "fs/base/mutex.h"
#include "fs/base/status.h"
#include "fs/journal/segment_pool.h"

namespace trefoil::journal {

// Nanoseconds that one MiB takes when `used` of `bound` bytes are in use.
int64_t PaceNanosPerMiB(uint64_t used, uint64_t bound);

class Admission {
 public:
  Admission(Clock& clock, SegmentPool& pool);

  // See Journal::Admit and Journal::Cancel.
  Status Admit(uint64_t bytes, bool urgent) EXCLUDES(mu_);
  void Cancel(uint64_t bytes) EXCLUDES(mu_);

  // A record with `payload` bytes got its place; `rest` bytes are free in the
  // segment, `used` in use in all.
  void OnReserve(uint64_t payload, uint64_t rest, uint64_t used) EXCLUDES(mu_);
  void OnTrim(uint64_t used) EXCLUDES(mu_);
  // The pool has changed.
  void Wake() EXCLUDES(mu_);
  // All who wait and come later are refused.
  void Stop(const Status& why) EXCLUDES(mu_);

 private:
  // What is sure to hold records, however they divide among segments.
  [[nodiscard]] uint64_t Capacity(size_t ready) const REQUIRES(mu_);
  [[nodiscard]] bool Fits(uint64_t bytes, bool urgent) const REQUIRES(mu_);
  [[nodiscard]] uint64_t FillBound() const;
  void WaitForPace() REQUIRES(mu_);
  // Waits for what RequestMore asked for.
  void WaitForMore() REQUIRES(mu_);

  Clock& clock_;
  SegmentPool& pool_;

  Mutex mu_;  // before SegmentPool's
  CondVar changed_cv_;
  Status stopped_ GUARDED_BY(mu_);
  uint64_t outstanding_ GUARDED_BY(mu_) = 0;  // admitted, not yet reserved
  uint64_t largest_ GUARDED_BY(mu_) = 0;  // the longest record ever admitted
  uint64_t rest_ GUARDED_BY(mu_) = 0;
  uint64_t used_ GUARDED_BY(mu_) = 0;
  int64_t next_nanos_ GUARDED_BY(mu_) = 0;  // when the next may pass
};

}  // namespace trefoil::journal
