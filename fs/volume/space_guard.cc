// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/space_guard.h"

#include <algorithm>
#include <cerrno>

namespace trefoil {
namespace {

constexpr int64_t kLookEveryNanos = 250'000'000;
constexpr double kSlowestNanosPerMiB = 100e6;
constexpr int64_t kShortAfterRefusalNanos = 30'000'000'000;
// The reserve: two packs, an index flush, a commit and journal records, on a
// disk of ordinary size; at most a sixteenth of a small one.
constexpr uint64_t kReserveBytes = 256ULL << 20;

}  // namespace

SpaceGuard::SpaceGuard(Env& env, Clock& clock, std::string path)
    : env_(env), clock_(clock), path_(std::move(path)) {
  Refresh();
}

void SpaceGuard::Refresh() {
  const int64_t now = clock_.MonotonicNanos();
  int64_t due = next_look_nanos_.load();
  if (now < due ||
      !next_look_nanos_.compare_exchange_strong(due, now + kLookEveryNanos)) {
    return;
  }
  const auto space = env_.Space(path_);
  if (!space.ok()) return;
  total_bytes_ = space->total_bytes;
  granted_bytes_ = 0;
  available_bytes_ = space->available_bytes;
}

uint64_t SpaceGuard::reserve_bytes() {
  return std::min(kReserveBytes, total_bytes_.load() / 16);
}

Status SpaceGuard::Take(uint64_t bytes, uint64_t dirty_bytes) {
  Refresh();
  const uint64_t kept = bytes + dirty_bytes + reserve_bytes();
  uint64_t granted = granted_bytes_;
  do {
    if (granted + kept > available_bytes_) {
      refused_nanos_ = clock_.MonotonicNanos();
      return Status::Posix(ENOSPC);
    }
  } while (!granted_bytes_.compare_exchange_weak(granted, granted + bytes));
  return OkStatus();
}

int64_t SpaceGuard::PaceNanosPerMiB(uint64_t dirty_bytes) {
  Refresh();
  const uint64_t needed = granted_bytes_ + dirty_bytes + reserve_bytes();
  const uint64_t available = available_bytes_;
  const uint64_t left = available > needed ? available - needed : 0;
  const uint64_t slow_below = 2 * reserve_bytes();
  if (left >= slow_below) return 0;
  const double x =
      1 - static_cast<double>(left) / static_cast<double>(slow_below);
  return static_cast<int64_t>(kSlowestNanosPerMiB * x * x * x);
}

bool SpaceGuard::HasSpare(uint64_t bytes, uint64_t dirty_bytes) {
  Refresh();
  // From three reserves on writers are slowed down: see above.
  const uint64_t kept = granted_bytes_ + dirty_bytes + 3 * reserve_bytes();
  return available_bytes_ >= kept && available_bytes_ - kept >= bytes;
}

bool SpaceGuard::IsShort() {
  Refresh();
  const int64_t refused = refused_nanos_;
  return (refused != 0 &&
          clock_.MonotonicNanos() - refused < kShortAfterRefusalNanos) ||
         available_bytes_ < 2 * reserve_bytes();
}

SpaceInfo SpaceGuard::Space() {
  Refresh();
  return {total_bytes_.load(), available_bytes_.load()};
}

}  // namespace trefoil
