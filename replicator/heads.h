// SPDX-License-Identifier: Apache-2.0
// Heads: the newest state that each of several copies has, and what the copies
// differ in. One copy can serve an old state or hide what came after; where
// there are two, the newer one shows it.
// Thread rule: free functions over thread-safe stores.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/object/object_store.h"
#include "fs/volume/identity.h"
#include "replicator/chain.h"

namespace trefoil {

struct CopyHead {
  std::string place;
  // Not OK: nothing can be recovered from it, and why.
  Status status;
  VolumeId volume_id{};
  Generation generation;
  CommitSeq seq;
  Hash256 name;  // of the commit whose state it is
  int64_t time_nanos = 0;
  // Newer commits that this volume's keys did not make, or that are another
  // volume's: passed over.
  std::set<std::string> strangers;
  OwnedChain chain;
};

// The newest state of the copy in `store`, by a chain that its owner stands
// for, with commits of strangers left out. Its last commit is opened, so that
// its time and number are what the volume wrote. A damaged one is kCorruption:
// what it hides is not given up silently. With `newest`, as if there were
// nothing above that commit.
CopyHead FindHead(ObjectStore& store, const Secret& secret,
                  std::optional<CommitSeq> newest = {});
// The same for whoever has the keys of `volume_id` already.
CopyHead FindHead(ObjectStore& store, const VolumeId& volume_id,
                  const Keyring& keyring);

struct HeadChoice {
  size_t newest = 0;                     // index of the head to recover from
  std::vector<std::string> differences;  // for people, one for each other copy
  std::set<size_t> forked;               // heads whose history is another one
};
// The newest of `heads`, all of one volume, and how the others differ: older,
// of another history, or not readable. kCorruption when none is usable;
// kInvalidArgument when they are of several volumes; kTrimmed when the newest
// is older than `at_least`.
Result<HeadChoice> ChooseHead(const std::vector<CopyHead>& heads,
                              std::optional<CommitSeq> at_least);
// "commit 41 of 2026-11-23T09:30:00Z".
std::string DescribeHead(const CopyHead& head);

}  // namespace trefoil
