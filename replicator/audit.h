// SPDX-License-Identifier: Apache-2.0
// Audit: what a target really holds of this volume's chain, from its listing.
// A watermark is believed only after this (O3): an emptied bucket or an old
// disk must be filled again, whatever a state file says.
//
// Thread rule: functions over thread-safe stores.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "fs/object/verified_ledger.h"
#include "replicator/commit_source.h"

namespace trefoil {

using NameSet = std::unordered_set<Hash256, HashOfName>;

// What a target lists. Memory: one name per object.
struct HeldObjects {
  std::unordered_map<Hash256, uint64_t, HashOfName> sizes;
  std::unordered_set<uint64_t> checkpoints;  // their numbers
  uint64_t objects = 0;  // packs, commits, checkpoints, volume objects
  uint64_t bytes = 0;

  [[nodiscard]] bool Has(const Hash256& name, uint64_t size_bytes) const {
    const auto found = sizes.find(name);
    return found != sizes.end() && found->second == size_bytes;
  }
};

// `keep_going` returning false ends it with kUnavailable.
Result<HeldObjects> ListHeld(ObjectStore& target,
                             const std::function<bool()>& keep_going);

struct AuditResult {
  // The newest local commit whose state the target holds: every object that
  // holds its blocks, and every commit up to it, or from a checkpoint on; seq
  // 0: none that can be proven.
  CommitRef complete;
  // The object that says so: that commit, or the checkpoint that equals it.
  std::string complete_key;
  HeldObjects held;
};

// Compares names and sizes; no object is read on the target. Of the local ones
// a checkpoint is read, and what each commit after it says of itself.
Result<AuditResult> AuditTarget(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going);

}  // namespace trefoil
