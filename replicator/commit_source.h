// SPDX-License-Identifier: Apache-2.0
// CommitSource: what a shipper needs to know of a volume: its chain of local
// commits, its checkpoints, and the tree that holds their objects.
// Thread rule: as for Volume: any thread at any time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "fs/object/local_tree.h"
#include "fs/volume/types.h"

namespace trefoil {

class CommitSource {
 public:
  virtual ~CommitSource() = default;

  // As in Volume.
  [[nodiscard]] virtual CommitRef head() const = 0;
  virtual Result<CommitRef> NextCommit(CommitSeq after) = 0;
  virtual bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) = 0;
  virtual Result<CommitRef> Checkpoint() = 0;
  virtual Result<std::optional<ObjectInfo>> NewestCheckpoint() = 0;
  virtual void ReleaseCommits(CommitSeq through) = 0;
  virtual Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) = 0;
  virtual LocalTree& objects() = 0;
  virtual Status Heal(const std::string& key, const Status& why) = 0;
  [[nodiscard]] virtual VolumeId volume_id() const = 0;
  [[nodiscard]] virtual const Keyring& keyring() const = 0;
  [[nodiscard]] virtual Generation generation() const = 0;
};

}  // namespace trefoil
