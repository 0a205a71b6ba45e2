// SPDX-License-Identifier: Apache-2.0
// The chain of commits that a target's owner stands for (O9): what a reader
// that trusts nobody's state file follows.
// Thread rule: a function over a thread-safe store.
#pragma once

#include <vector>

#include "fs/volume/rebuild.h"
#include "replicator/owner.h"

namespace trefoil {

struct OwnedChain {
  std::vector<ChainLink> links;  // oldest first, sequence numbers 1, 2, 3 ...
  Generation highest;            // of all claims and commits
};

// From the newest commit of the highest generation back to the first. What an
// older generation wrote beyond the base of a newer claim is left out. Links
// are decided by numbers, and by headers only where numbers leave a choice:
// the caller checks them once it holds the commits (CheckLinks). kCorruption
// names a commit that is missing; kNotFound when there is none at all.
Result<OwnedChain> FindOwnedChain(ObjectStore& store);

// Each commit of `links` names the one before it; `store` holds them, verified.
Status CheckLinks(ObjectStore& store, const std::vector<ChainLink>& links);

}  // namespace trefoil
