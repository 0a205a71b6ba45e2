// SPDX-License-Identifier: Apache-2.0
// Time and randomness of a simulation: a clock that moves when it is told to,
// and numbers from a seed.
// Thread rule: thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>

#include "fs/base/clock.h"
#include "fs/base/mutex.h"

namespace trefoil {

class SimClock final : public Clock {
 public:
  // 2026-01-01T00:00:00Z.
  static constexpr int64_t kStartNanos = 1'767'225'600'000'000'000;

  int64_t WallNanos() override { return wall_.load(); }
  int64_t MonotonicNanos() override { return monotonic_.load(); }

  // Time passes.
  void Advance(int64_t nanos) {
    monotonic_ += nanos;
    wall_ += nanos;
  }
  // Somebody sets the clock: wall time jumps, maybe back.
  void Jump(int64_t nanos) { wall_ += nanos; }

 private:
  std::atomic<int64_t> wall_ = kStartNanos;
  std::atomic<int64_t> monotonic_ = 1'000'000'000;
};

// Wall time that never stands still: each look at it finds it a microsecond
// later, so that no two changes have the same time by accident.
class TickingClock final : public Clock {
 public:
  explicit TickingClock(int64_t step_nanos = 1000) : step_nanos_(step_nanos) {}

  int64_t WallNanos() override {
    clock_.Advance(step_nanos_);
    return clock_.WallNanos();
  }
  int64_t MonotonicNanos() override {
    clock_.Advance(step_nanos_);
    return clock_.MonotonicNanos();
  }
  void Advance(int64_t nanos) { clock_.Advance(nanos); }
  void Jump(int64_t nanos) { clock_.Jump(nanos); }

 private:
  const int64_t step_nanos_;
  SimClock clock_;
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : generator_(seed) {}

  void Fill(std::span<char> out) override {
    const MutexLock lock(mu_);
    while (!out.empty()) {
      const uint64_t value = generator_();
      const size_t size = std::min(out.size(), sizeof(value));
      std::memcpy(out.data(), &value, size);
      out = out.subspan(size);
    }
  }
  // A number below `bound`, which is not 0.
  uint64_t Below(uint64_t bound) { return Next64() % bound; }

 private:
  Mutex mu_;
  std::mt19937_64 generator_ GUARDED_BY(mu_);
};

}  // namespace trefoil
