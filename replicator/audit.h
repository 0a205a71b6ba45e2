// SPDX-License-Identifier: Apache-2.0
// Audit: what a target really holds of this volume's chain, from its listing.
// A watermark is believed only after this (O3): an emptied bucket or an old
// disk must be filled again, whatever a state file says.
//
// Thread rule: functions over thread-safe stores.
#pragma once

#include <cstring>
#include <functional>
#include <unordered_set>
#include <vector>

#include "fs/object/commit.h"
#include "replicator/commit_source.h"

namespace trefoil {

struct HashOfName {
  size_t operator()(const Hash256& name) const noexcept {
    size_t value = 0;
    std::memcpy(&value, name.bytes.data(), sizeof(value));
    return value;
  }
};
using NameSet = std::unordered_set<Hash256, HashOfName>;

struct AuditResult {
  // The newest local commit that the target holds with every commit up to it
  // and every pack that they need; seq 0: none.
  CommitRef complete;
  // Names of the packs and commits that are there beyond `complete`.
  NameSet beyond;
  uint64_t objects_held = 0;  // packs, commits, checkpoints, volume objects
  uint64_t bytes_held = 0;
};

// Compares names and sizes; no object is read on the target. `keep_going`
// returning false ends it with kUnavailable. Memory: one name per object.
Result<AuditResult> AuditTarget(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going);

}  // namespace trefoil
