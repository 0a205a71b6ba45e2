// SPDX-License-Identifier: Apache-2.0
// Time and randomness come in by constructor, so that a simulation can own
// both. All implementations are thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace trefoil {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970 UTC; may jump when somebody sets the clock.
  virtual int64_t WallNanos() = 0;
  // Nanoseconds since some start; never goes back.
  virtual int64_t MonotonicNanos() = 0;
  // The process's real clock; never destroyed.
  static Clock& Real();
};

class Random {
 public:
  virtual ~Random() = default;
  // Fills `out` with bytes fit for salts, ids and keys.
  virtual void Fill(std::span<char> out) = 0;
  [[nodiscard]] uint64_t Next64();
  [[nodiscard]] std::string Bytes(size_t size);
  // The operating system's generator; never destroyed.
  static Random& System();
};

// 2026-11-23T09:30:00Z (UTC, whole seconds) for people and status files.
std::string FormatUtc(int64_t wall_nanos);

}  // namespace trefoil
