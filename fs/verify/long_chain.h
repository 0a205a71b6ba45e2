// SPDX-License-Identifier: Apache-2.0
// A chain that begins with a checkpoint, and what of the chain is still there
// before it. Thread rule: a function over a thread-safe store.
#pragma once

#include <vector>

#include "fs/volume/rebuild.h"

namespace trefoil {

// `chain`, or where it begins with a checkpoint and the commits before that are
// still there, the chain from an older checkpoint or from the first commit on,
// without the one that it began with. `readers` threads ask for headers at a
// time.
Result<std::vector<ChainLink>> LongestChain(ObjectStore& store,
                                            std::vector<ChainLink> chain,
                                            unsigned readers);

}  // namespace trefoil
