// SPDX-License-Identifier: Apache-2.0
#include "fs/base/clock.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <ctime>

#include "fs/base/check.h"

namespace trefoil {
namespace {

int64_t ReadClock(clockid_t id) {
  timespec now{};
  TREFOIL_CHECK(clock_gettime(id, &now) == 0);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class RealClock final : public Clock {
 public:
  int64_t WallNanos() override { return ReadClock(CLOCK_REALTIME); }
  int64_t MonotonicNanos() override { return ReadClock(CLOCK_MONOTONIC); }
};

class SystemRandom final : public Random {
 public:
  void Fill(std::span<char> out) override {
    while (!out.empty()) {
      const ssize_t got = getrandom(out.data(), out.size(), 0);
      TREFOIL_CHECK(got > 0 || errno == EINTR);
      if (got > 0) out = out.subspan(static_cast<size_t>(got));
    }
  }
};

}  // namespace

Clock& Clock::Real() {
  static auto* const clock = new RealClock;
  return *clock;
}

uint64_t Random::Next64() {
  uint64_t value = 0;
  Fill({reinterpret_cast<char*>(&value), sizeof(value)});
  return value;
}

std::string Random::Bytes(size_t size) {
  std::string bytes(size, '\0');
  Fill({bytes.data(), bytes.size()});
  return bytes;
}

Random& Random::System() {
  static auto* const random = new SystemRandom;
  return *random;
}

std::string FormatUtc(int64_t wall_nanos) {
  // Rounds down also before 1970.
  int64_t seconds = wall_nanos / 1'000'000'000;
  if (wall_nanos % 1'000'000'000 < 0) --seconds;
  const auto time = static_cast<time_t>(seconds);
  tm utc{};
  TREFOIL_CHECK(gmtime_r(&time, &utc) != nullptr);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                     utc.tm_sec);
}

}  // namespace trefoil
