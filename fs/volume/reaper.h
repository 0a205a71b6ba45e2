// SPDX-License-Identifier: Apache-2.0
// The reaper: removes what nothing can reach any more, in bounded
// transactions: inodes without names that nobody has open, and history that no
// snapshot needs.
// Thread rule: used under the committer's round lock.
#pragma once

#include "fs/volume/core.h"
#include "fs/volume/references.h"

namespace trefoil {

class Reaper {
 public:
  Reaper(VolumeCore& core, References& references)
      : core_(core), references_(references) {}

  // Reaps the orphans that are due. Those with data of an older epoch that is
  // not destaged yet wait for a later call.
  Status ReapOrphans();
  // Removes every history entry that no snapshot sees.
  Status PurgeHistory();

 private:
  // False when the inode must wait.
  Result<bool> ReapOrphan(InodeId inode);
  Status DropLayer(InodeId inode, Epoch epoch);
  // Removes extents or attributes until none is left.
  Status RemoveExtents(InodeId inode, Epoch death);
  Status RemoveXattrs(InodeId inode);

  VolumeCore& core_;
  References& references_;
};

}  // namespace trefoil
