// SPDX-License-Identifier: Apache-2.0
// The chain of commits that a target's owner stands for (O9): what a reader
// that trusts nobody's state file follows.
// Thread rule: a function over a thread-safe store.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/volume/rebuild.h"
#include "replicator/owner.h"

namespace trefoil {

struct OwnedChain {
  // Oldest first, sequence numbers without a gap; the first link is commit 1,
  // or a checkpoint, which stands for the commit of its number and all before.
  std::vector<ChainLink> links;
  Generation owner;    // whose state it is
  Generation highest;  // of all claims and all commits, theirs or not
};

// From the newest commit of the newest owner (fs/volume/owned_head.h) back to
// the newest checkpoint on the way, or to the first commit. What others wrote
// is left out, and so are the objects whose keys are in `damaged`. Commits are
// linked by numbers, and by headers only where numbers leave a choice or a
// checkpoint is met: the caller checks them once it holds the objects
// (CheckLinks). kCorruption names a commit that is missing; kNotFound when
// there is nothing at all. With `newest`, as if there were nothing above that
// commit.
Result<OwnedChain> FindOwnedChain(ObjectStore& store, const Keyring& keyring,
                                  const std::set<std::string>& damaged = {},
                                  std::optional<CommitSeq> newest = {});

// A commit and the checkpoint that stands for it have the same numbers.
bool IsSameState(const ChainLink& a, const ChainLink& b);

// Of the commits that the owner stands for and `store` holds, or has a
// checkpoint of, `without` some: the one with the highest number whose time is
// not after `time_nanos`. All are looked at: a clock that went back has made
// later commits with earlier times. kTrimmed, with the oldest time, when all
// are newer; kCorruption names a damaged one that might be the answer.
Result<CommitSeq> FindCommitAt(ObjectStore& store, const Keyring& keyring,
                               int64_t time_nanos,
                               const std::set<std::string>& without = {});

// Each commit of `links` names the one before it; `store` holds them, verified.
Status CheckLinks(ObjectStore& store, const std::vector<ChainLink>& links);

}  // namespace trefoil
