// SPDX-License-Identifier: Apache-2.0
// SpaceGuard: whether the primary disk can take more (O8). What was
// acknowledged but is not in objects yet will need room a second time, so a
// write is refused with ENOSPC while there is still enough for all of that and
// for a reserve that keeps journal, index flushes and commits going.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "fs/base/clock.h"
#include "fs/base/env.h"

namespace trefoil {

class SpaceGuard {
 public:
  // Watches the filesystem of `path`; figures are at most 250 ms old.
  SpaceGuard(Env& env, Clock& clock, std::string path);

  // kOk or ENOSPC for a write of `bytes`, with `dirty_bytes` in the journal
  // only. What it grants counts until the next look at the disk.
  Status Take(uint64_t bytes, uint64_t dirty_bytes);
  // Nanoseconds that a MiB should take: nothing while there is much room, more
  // and more as the reserve comes near, so that garbage collection keeps up.
  int64_t PaceNanosPerMiB(uint64_t dirty_bytes);
  // Whether there is room for work that can wait, such as putting a healed
  // object in place, besides what writers are owed and not slowed down for.
  bool HasSpare(uint64_t bytes, uint64_t dirty_bytes);
  // A write was refused lately, or little more than the reserve is left:
  // garbage is worth collecting at once.
  bool IsShort();
  // The disk's figures; the last known ones after an error.
  SpaceInfo Space();
  // Bytes kept back from writers.
  uint64_t reserve_bytes();

 private:
  void Refresh();

  Env& env_;
  Clock& clock_;
  const std::string path_;
  std::atomic<int64_t> next_look_nanos_{0};
  std::atomic<uint64_t> total_bytes_{0};
  std::atomic<uint64_t> available_bytes_{0};
  std::atomic<uint64_t> granted_bytes_{0};  // since the last look
  std::atomic<int64_t> refused_nanos_{0};   // when a write was last refused
};

}  // namespace trefoil
