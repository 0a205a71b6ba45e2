// SPDX-License-Identifier: Apache-2.0
// VOLUME/scrub/NAME: when each object of one copy was last verified.
//
//   file  := "TFSCRUB1" entry* check:u64        (XXH3-64 of all before it)
//   entry := name[32] minutes:u32               (since 1970, little-endian)
//
// A lost or damaged file costs a scrub from the beginning, no more. Memory:
// about 100 bytes per object.
// Thread rule: a value; one writer per file.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "fs/base/env.h"
#include "replicator/audit.h"

namespace trefoil {

class ScrubLedger {
 public:
  // Of a file; empty when there is none that can be understood.
  static ScrubLedger Load(Env& env, const std::string& path);
  // Makes the directory when needed.
  Status Save(Env& env, const std::string& path) const;

  void Verified(const Hash256& name, int64_t wall_nanos);
  // 0: never.
  [[nodiscard]] int64_t VerifiedNanos(const Hash256& name) const;
  // The longest ago of `objects` objects; 0 when one was never verified.
  [[nodiscard]] int64_t Oldest(uint64_t objects) const;
  // Keeps what is in `names` only.
  void Retain(const NameSet& names);
  [[nodiscard]] size_t size() const { return minutes_.size(); }

 private:
  std::unordered_map<Hash256, uint32_t, HashOfName> minutes_;
};

}  // namespace trefoil
