// SPDX-License-Identifier: Apache-2.0
// RateMeter: bytes per second over the last minute in which bytes moved.
// Thread rule: thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "fs/base/mutex.h"

namespace trefoil {

class RateMeter {
 public:
  void Add(uint64_t bytes, int64_t now_nanos) {
    const MutexLock lock(mu_);
    // A longer silence than this is idleness, not slowness.
    const int64_t gap =
        std::clamp<int64_t>(now_nanos - last_nanos_, 0, kIdleNanos);
    last_nanos_ = now_nanos;
    if (slots_.empty() || slots_.back().busy_nanos >= kSlotNanos) {
      slots_.push_back({});
    }
    slots_.back().bytes += bytes;
    slots_.back().busy_nanos += gap;
    while (slots_.size() > kSlots) slots_.pop_front();
  }

  [[nodiscard]] uint64_t BytesPerSecond() const {
    const MutexLock lock(mu_);
    double bytes = 0;
    double seconds = 0;
    for (const Slot& slot : slots_) {
      bytes += static_cast<double>(slot.bytes);
      seconds += static_cast<double>(slot.busy_nanos) / 1e9;
    }
    return seconds > 0 ? static_cast<uint64_t>(bytes / seconds) : 0;
  }

 private:
  struct Slot {
    uint64_t bytes = 0;
    int64_t busy_nanos = 0;
  };
  static constexpr int64_t kSlotNanos = 1'000'000'000;
  static constexpr int64_t kIdleNanos = 5'000'000'000;
  static constexpr size_t kSlots = 60;

  mutable Mutex mu_;
  int64_t last_nanos_ GUARDED_BY(mu_) = 0;
  std::deque<Slot> slots_ GUARDED_BY(mu_);
};

}  // namespace trefoil
