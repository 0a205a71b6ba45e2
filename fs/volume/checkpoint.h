// SPDX-License-Identifier: Apache-2.0
// Checkpoints: objects beside the chain, each equal to the whole state after
// one commit, so that older commits are no longer needed to rebuild the tree.
// They are written from views of the index while changes and commits go on.
//
// Thread rule: free functions; a CheckpointBase is used by one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/object/commit.h"
#include "fs/volume/core.h"

namespace trefoil {

// The state after a commit, pinned.
struct CheckpointBase {
  CommitRef commit;
  CommitRecord record;
  // The index at some moment after the commit was registered ...
  std::unique_ptr<IndexView> view;
  // ... but keys that operations changed between the commit's cut and that
  // moment have their values in the view of the cut. Sorted.
  std::vector<std::pair<Family, std::string>> changed;
  std::unique_ptr<IndexView> cut_view;  // not used when `changed` is empty
};

// Writes the checkpoint and removes older ones. The commit's registration is
// made durable first, so that no crash leaves a checkpoint of a commit that
// never was.
Status WriteCheckpoint(VolumeCore& core, const CheckpointBase& base);

// The newest checkpoint in the tree.
struct FoundCheckpoint {
  ObjectInfo info;
  CommitSeq seq;
};
Result<std::optional<FoundCheckpoint>> FindNewestCheckpoint(ObjectStore& store);

}  // namespace trefoil
