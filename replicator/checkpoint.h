// SPDX-License-Identifier: Apache-2.0
// What stores and chains have to know of checkpoints: which are there, and
// which commit each of them equals.
// Thread rule: functions over thread-safe stores.
#pragma once

#include <vector>

#include "fs/volume/rebuild.h"
#include "fs/volume/types.h"

namespace trefoil {

// The commit whose state a checkpoint has; its size is not known (0).
Result<CommitRef> CommitOfCheckpoint(ObjectStore& store, const Keyring& keyring,
                                     const std::string& checkpoint_key);

// All commits, or all checkpoints, that `store` lists, oldest generation and
// number first.
Result<std::vector<ChainLink>> ListCommits(ObjectStore& store);
Result<std::vector<ChainLink>> ListCheckpoints(ObjectStore& store);

}  // namespace trefoil
