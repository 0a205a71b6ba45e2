// SPDX-License-Identifier: Apache-2.0
// The collector: garbage collection of the local tree. A block is dead when no
// extent names it (its key 'Z'); a pack whose blocks are mostly dead is
// emptied by moving the rest into a new pack, and retired: its records leave
// the index, and its file goes once a commit says so. Commits that a
// checkpoint stands for are emptied and retired in the same way, since small
// ones carry blocks.
//
// Keeps O5: a retired pack leaves the table of known blocks in the transaction
// that retires it, so nothing refers to it again; the file goes only when no
// state from which the volume could be opened needs it, and after a grace for
// whoever is just reading it. Nothing waits for a target (O8).
// Thread rule: used under the committer's round lock, except as said.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "fs/volume/core.h"
#include "fs/volume/destager.h"
#include "fs/volume/reseal.h"

namespace trefoil {

class Collector {
 public:
  Collector(VolumeCore& core, ObjectNumbers& numbers)
      : core_(core), numbers_(numbers), resealing_(core) {}

  // What a pass may let go.
  struct Policy {
    CommitSeq head;
    CommitSeq checkpoint;  // the newest one; 0: none
    CommitSeq released;    // every target holds the commits up to it
    // Space is short: collect what is worth less, wait for nobody.
    bool urgent = false;
    // Live bytes that may be moved in this pass.
    uint64_t budget_bytes = 0;
  };

  // One pass; moves a bounded number of bytes.
  Status Run(const Policy& policy);
  // Moves the live blocks of all commits into packs and drops the dead ones, so
  // that a checkpoint which follows needs no commit. What can't be read stays.
  Status EmptyCommits();
  // Of a pack that no copy has whole: moves the blocks that are good by
  // themselves in one of `damaged`, what the copies have of it, into a new
  // pack, and gives those that are good in none. They stay where they were;
  // when there are none the pack is retired.
  Result<std::vector<BlockNo>> Salvage(PackNo number, const PackRecord& record,
                                       const std::vector<std::string>& damaged);
  // Whether there may be something to do for Run. Any thread.
  [[nodiscard]] bool has_work() const { return has_work_; }
  // Blocks may have died, or a commit was made. Any thread.
  void NoteWork() { has_work_ = true; }
  // Bytes of files that go with the next commits. Any thread.
  [[nodiscard]] uint64_t retired_bytes() const { return retired_bytes_; }
  // A new checkpoint is needed for what is being sealed anew. Any thread.
  [[nodiscard]] bool wants_checkpoint() const {
    return resealing_.wants_checkpoint();
  }
  // One was written. Any thread.
  void NoteCheckpoint() {
    resealing_.NoteCheckpoint();
    NoteWork();
  }
  // Passes made. Any thread.
  [[nodiscard]] uint64_t passes() const { return passes_; }

 private:
  struct Victim {
    PackNo number;
    PackRecord record;
    uint64_t dead_bytes = 0;
  };
  // A block on its way to a new pack.
  struct MovingBlock {
    BlockNo number;
    PackNo from;
    Hash256 id;
    bool dead = false;  // but a dirty range takes bytes from it
    std::string raw;
  };

  Status FindRetired();
  Status RemoveStrayPacks();
  Status RemoveRetiredFiles(const Policy& policy);
  Status ForgetRetired(PackNo number, const PackRecord& record);
  [[nodiscard]] bool IsInNextCommit(PackNo number);
  [[nodiscard]] bool IsHere(const PackRecord& record) const;

  Result<std::vector<Victim>> FindVictims(const Policy& policy);
  // Commits that hold blocks, or are there for the chain's sake only.
  Status AddCommits(const Policy& policy, std::vector<Victim>* victims);
  // Packs that are sealed under older keys, where that is asked for, as many
  // as a pass can move.
  Status AddOldPacks(const Policy& policy, std::vector<Victim>* victims);
  // Moves what is alive in the pack aside; false when that is too much for
  // this pass or can't be read.
  Result<bool> Empty(const Victim& victim);
  // Adds a block to those on their way, which are written when they fill a
  // pack.
  Status Move(MovingBlock block);
  Status FlushMoving();
  // The same without the end of the pass.
  Result<std::vector<BlockNo>> SalvageBlocks(
      const Victim& pack, const std::vector<std::string>& damaged);
  Status PutMoved(PackNo pack, const PackRecord& record,
                  const std::vector<FrameLocation>& locations, size_t first,
                  size_t end);
  // Drops the dead blocks that are left in an emptied pack.
  Status DropBlocks(const Victim& victim);
  Status Retire(const Victim& victim);
  // Before victims are emptied: finds what dirty ranges refer to.
  void FindReferenced();
  void EndPass();
  // Members of the pack that are still its own, with their records.
  Result<std::vector<std::pair<BlockNo, BlockRecord>>> BlocksOf(PackNo pack);

  VolumeCore& core_;
  ObjectNumbers& numbers_;
  Resealing resealing_;
  std::atomic<bool> has_work_{true};
  std::atomic<uint64_t> retired_bytes_{0};
  std::atomic<uint64_t> passes_{0};

  bool started_ = false;
  // Retired packs whose files are still there, and since when (monotonic; 0:
  // since an earlier opening).
  std::map<PackNo, int64_t> retired_;

  // Of one pass.
  std::unordered_set<BlockNo> referenced_;  // by dirty ranges
  std::vector<MovingBlock> moving_;
  uint64_t moving_bytes_ = 0;
  uint64_t budget_bytes_ = 0;
};

}  // namespace trefoil
