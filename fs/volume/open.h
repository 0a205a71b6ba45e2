// SPDX-License-Identifier: Apache-2.0
// Opening a volume: everything between a directory and a running VolumeCore.
//
// What is found, and what is done:
//   index           journal from the head's cut    done
//   opens           continues the cut              replay: map and changed keys
//                                                  from all records, index
//                                                  changes above its LSN
//   gone            any                            rebuild from commits, replay
//   damaged         any                            set aside, as gone
//   opens, ahead    ends below the index's LSN     the journal was deleted:
//                                                  index set aside, as gone
//   opens           lacks the record after it      kCorruption
//   any             a bad record that a later one  kCorruption
//                   says was durable
//   any             a torn tail                    cut there (O2)
//   opens, behind   a commit newer than the head   the object is removed: it
//                   in the index and the journal   was never registered or
//                                                  shipped
//   no root inode afterwards                       kCorruption
#pragma once

#include <memory>

#include "fs/volume/core.h"

namespace trefoil {

// Locks, opens and replays `path`. `create_root` makes the root directory of
// a volume that has none (Format only).
Result<std::unique_ptr<VolumeCore>> OpenCore(World world,
                                             const std::string& path,
                                             const VolumeOptions& options,
                                             bool create_root);

}  // namespace trefoil
