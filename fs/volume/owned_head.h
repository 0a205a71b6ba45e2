// SPDX-License-Identifier: Apache-2.0
// Where a reader of a target begins (O9): at the newest state of the newest
// owner whose state is there.
//
// A claim speaks once a commit or checkpoint of its generation, or the commit
// that it continues, has arrived: until then the target holds the state that it
// had before, whoever wrote that (O3). Then what is no ancestor of the head
// does not count, whatever its number is; but a commit of an older generation
// that the owner made while somebody else held the target does.
// Thread rule: a function over a thread-safe store.
#pragma once

#include <optional>
#include <vector>

#include "fs/volume/rebuild.h"

namespace trefoil {

// What an owner claim says of the chain: the commit that its owner continues.
// The name is zero where that is not known.
struct OwnerBase {
  Generation generation;  // of the claim
  uint64_t number = 0;
  Hash256 name;
};

struct OwnedHead {
  ChainLink link;
  Generation owner;  // of the claim that it stands under, else its own
};

// Nothing where there is neither commit nor checkpoint. Where both stand for
// the same state it is the commit.
Result<std::optional<OwnedHead>> FindOwnedHead(
    ObjectStore& store, const std::vector<ChainLink>& commits,
    const std::vector<ChainLink>& checkpoints, std::vector<OwnerBase> claims);

}  // namespace trefoil
