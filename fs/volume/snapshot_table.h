// SPDX-License-Identifier: Apache-2.0
// The snapshots of a volume, in memory: small, looked up by every operation on
// a snapshot's node. The index has the truth; this is loaded when opening and
// follows the transactions. Thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/index/history.h"
#include "fs/volume/types.h"

namespace trefoil {

class SnapshotTable {
 public:
  void Add(const SnapshotInfo& info);
  void Remove(SnapshotId id);
  [[nodiscard]] std::optional<SnapshotInfo> Find(SnapshotId id) const;
  [[nodiscard]] std::optional<SnapshotInfo> FindByName(
      std::string_view name) const;
  [[nodiscard]] std::vector<SnapshotInfo> List() const;  // oldest first
  // The epoch that nodes of this tree are read in; nothing when the snapshot
  // is gone.
  [[nodiscard]] std::optional<Epoch> EpochOf(SnapshotId id) const;
  [[nodiscard]] RetainedEpochs Retained() const;
  // A name for a snapshot of this moment: the second of `wall_nanos`, or the
  // first one after it of which no snapshot is, or lately was, named: the
  // kernel may still remember what the name of a deleted one led to.
  [[nodiscard]] std::string NewName(int64_t wall_nanos) const;

 private:
  mutable Mutex mu_;
  std::map<SnapshotId, SnapshotInfo> by_id_ GUARDED_BY(mu_);
  std::map<std::string, SnapshotId, std::less<>> by_name_ GUARDED_BY(mu_);
  RetainedEpochs retained_ GUARDED_BY(mu_);
  // Of those that were deleted since the volume was opened, at most
  // kMaxRemoved.
  static constexpr size_t kMaxRemoved = 4096;
  std::set<std::string> removed_ GUARDED_BY(mu_);
};

}  // namespace trefoil
