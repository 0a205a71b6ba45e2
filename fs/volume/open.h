// SPDX-License-Identifier: Apache-2.0
// Opening a volume: everything between a directory and a running VolumeCore.
// What is found, and what is done, is the table in recovery_rules.h.
#pragma once

#include <memory>

#include "fs/volume/core.h"

namespace trefoil {

// Locks, opens and replays `path`. kCorruption, with nothing changed but what a
// crash may have left, for what the table refuses. `create_root` makes the root
// directory of a volume that has none (Format only).
Result<std::unique_ptr<VolumeCore>> OpenCore(World world,
                                             const std::string& path,
                                             const VolumeOptions& options,
                                             bool create_root);

}  // namespace trefoil
