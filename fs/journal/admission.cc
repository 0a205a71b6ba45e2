// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/admission.h"

#include <fmt/format.h>

#include <algorithm>

#include "fs/journal/record.h"

namespace trefoil::journal {
namespace {

constexpr double kSlowFrom = 0.6;
// The slowest pace: 4 MiB per second.
constexpr double kSlowestNanosPerMiB = 250e6;
// Nobody is held up for longer than this by the pace alone.
constexpr int64_t kMaxPaceNanos = 1'000'000'000;
// A record costs at least this much pace: its metadata cost work, too.
constexpr uint64_t kMinPaceBytes = 4096;
// Set aside for the fixed overhead of admitted records, which their bytes
// don't tell (thousands of small ones).
constexpr uint64_t kMaxSlackBytes = 1 << 20;

// Room for records with `payload` bytes in all, fixed overhead apart.
constexpr uint64_t WithOverhead(uint64_t payload) {
  return payload + payload / 8;
}

}  // namespace

int64_t PaceNanosPerMiB(uint64_t used, uint64_t bound) {
  const double fill = static_cast<double>(used) / static_cast<double>(bound);
  const double x = std::clamp((fill - kSlowFrom) / (1 - kSlowFrom), 0.0, 1.0);
  return static_cast<int64_t>(kSlowestNanosPerMiB * x * x * x);
}

Admission::Admission(Clock& clock, SegmentPool& pool)
    : clock_(clock), pool_(pool) {}

uint64_t Admission::Capacity(size_t ready) const {
  // A record never spans segments: each may leave almost a record unused.
  const uint64_t whole =
      pool_.limits().segment_size_bytes - kSegmentHeaderBytes - largest_;
  return (rest_ > largest_ ? rest_ - largest_ : 0) + ready * whole;
}

bool Admission::Fits(uint64_t bytes, bool urgent) const {
  const PoolLimits& limits = pool_.limits();
  const size_t kept = urgent ? 0 : limits.reserve_segments;
  const size_t ready = pool_.ready();
  const uint64_t slack =
      std::min(kMaxSlackBytes, limits.segment_size_bytes / 8);
  return ready >= kept &&
         WithOverhead(outstanding_ + bytes) + slack <= Capacity(ready - kept);
}

uint64_t Admission::FillBound() const {
  const PoolLimits& limits = pool_.limits();
  return (limits.max_segments - limits.reserve_segments) *
         limits.segment_size_bytes;
}

Status Admission::Admit(uint64_t bytes, bool urgent) {
  const uint64_t longest = RecordLengthBound(bytes);
  if (longest > (pool_.limits().segment_size_bytes - kSegmentHeaderBytes) / 2) {
    return {StatusCode::kInvalidArgument,
            fmt::format("journal: a record of {} bytes", bytes)};
  }
  const MutexLock lock(mu_);
  largest_ = std::max(largest_, longest);
  for (;;) {
    if (!stopped_.ok()) return stopped_;
    if (Fits(bytes, urgent)) break;
    const Status more = pool_.RequestMore();
    const bool at_bound = more.Is(StatusCode::kBusy);
    if (!more.ok() && !at_bound) return more;
    if (at_bound && urgent) {
      return {StatusCode::kNoSpace, "journal: its reserve is used up"};
    }
    if (at_bound && pool_.single_threaded()) {
      return {StatusCode::kNoSpace, "journal: full, and nobody else trims it"};
    }
    WaitForMore();
  }
  outstanding_ += bytes;
  if (!urgent && !pool_.single_threaded()) WaitForPace();
  return stopped_;
}

void Admission::WaitForMore() {
  if (!pool_.single_threaded()) {
    changed_cv_.Wait(mu_);
    return;
  }
  mu_.Unlock();
  pool_.PrepareHere();
  mu_.Lock();
}

void Admission::WaitForPace() {
  while (stopped_.ok()) {
    const int64_t now = clock_.MonotonicNanos();
    next_nanos_ = std::min(next_nanos_, now + kMaxPaceNanos);
    // Trim may have made the wait pointless.
    if (now >= next_nanos_ || PaceNanosPerMiB(used_, FillBound()) == 0) return;
    static_cast<void>(
        changed_cv_.WaitFor(mu_, std::chrono::nanoseconds(next_nanos_ - now)));
  }
}

void Admission::Cancel(uint64_t bytes) {
  const MutexLock lock(mu_);
  outstanding_ -= std::min(outstanding_, bytes);
  changed_cv_.SignalAll();
}

void Admission::OnReserve(uint64_t payload, uint64_t rest, uint64_t used) {
  const MutexLock lock(mu_);
  outstanding_ -= std::min(outstanding_, payload);
  rest_ = rest;
  used_ = used;
  // What the record costs is waited for by those who come next.
  const int64_t pace = PaceNanosPerMiB(used_ + outstanding_, FillBound());
  if (pace == 0) return;
  const auto cost = static_cast<int64_t>(std::max(payload, kMinPaceBytes));
  next_nanos_ =
      std::max(next_nanos_, clock_.MonotonicNanos()) + pace * cost / (1 << 20);
}

void Admission::OnTrim(uint64_t used) {
  const MutexLock lock(mu_);
  used_ = used;
  if (PaceNanosPerMiB(used_, FillBound()) == 0) next_nanos_ = 0;
  changed_cv_.SignalAll();
}

void Admission::Wake() {
  const MutexLock lock(mu_);
  changed_cv_.SignalAll();
}

void Admission::Stop(const Status& why) {
  const MutexLock lock(mu_);
  if (stopped_.ok()) stopped_ = why;
  changed_cv_.SignalAll();
}

}  // namespace trefoil::journal
