// SPDX-License-Identifier: Apache-2.0
// The committer: turns what the journal holds into a chain of commits, every
// few seconds while something changes, and does the housekeeping that must be
// in step with it: reaping orphans, purging history, trimming the journal.
//
// Keeps O2 (the journal is durable up to the cut before the commit is
// written), O3, O5 (the journal is trimmed only up to a cut whose commit
// record and index contents survive a crash).
// Thread rule: Commit may be called by any thread; rounds take turns.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/volume/checkpoint.h"
#include "fs/volume/collector.h"
#include "fs/volume/core.h"
#include "fs/volume/destager.h"
#include "fs/volume/reaper.h"
#include "fs/volume/references.h"

namespace trefoil {

class Committer {
 public:
  Committer(VolumeCore& core, References& references);
  ~Committer();

  // Loads the head and the counters from the index. Before everything else.
  Status Load();
  // Starts the background threads.
  void Start();
  // Ends them; no round runs afterwards unless Commit is called.
  void Stop();

  // As Volume::Commit, Checkpoint, ReleaseCommits and VisitHeadObjects.
  Result<CommitRef> Commit() EXCLUDES(round_mu_);
  Result<CommitRef> Checkpoint() EXCLUDES(round_mu_, checkpoint_mu_);
  void ReleaseCommits(CommitSeq through) {
    if (released_.exchange(through.value) != through.value) {
      collector_.NoteWork();
    }
  }
  [[nodiscard]] bool HasCheckpointFor(CommitSeq seq) const {
    return seq.value <= checkpoint_seq_;
  }
  Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit)
      EXCLUDES(round_mu_);
  [[nodiscard]] CommitRef head() const EXCLUDES(head_mu_);
  // As Collector::Salvage.
  Result<std::vector<BlockNo>> Salvage(PackNo number, const PackRecord& record,
                                       const std::vector<std::string>& damaged)
      EXCLUDES(round_mu_);
  bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) EXCLUDES(head_mu_);
  void WakeWaiters() EXCLUDES(head_mu_);
  // Something may be sealed under older data keys that should not be.
  void NoteKeys() { collector_.NoteWork(); }
  // A snapshot was deleted: history may have become useless.
  void RequestPurge() { purge_requested_ = true; }
  // For a writer who was told that the disk is full, and asks again: whether
  // garbage collection may still make room since it had made `passes`.
  [[nodiscard]] bool MayMakeRoom(uint64_t passes) const;
  [[nodiscard]] uint64_t collection_passes() const {
    return collector_.passes();
  }

 private:
  void RoundLoop();
  void SyncLoop();
  [[nodiscard]] bool RoundIsDue(int64_t last_round_nanos);
  // Makes a round for `cut`, with what follows it. Small blocks may travel in
  // the commit, unless a checkpoint is to stand for it without its help.
  Status CommitCut(VolumeCore::Cut& cut, bool blocks_in_commit)
      REQUIRES(round_mu_);
  Status Round(VolumeCore::Cut& cut, bool blocks_in_commit) REQUIRES(round_mu_);
  // Writes and registers the commit object of a round.
  Status WriteCommit(const VolumeCore::Cut& cut, Destager& destager)
      REQUIRES(round_mu_);
  // Makes the object the head, together with what `pending` changes.
  Status Register(const CommitInfo& info, const FinishedObject& object,
                  const Transaction& pending) REQUIRES(round_mu_);
  Status Housekeep() REQUIRES(round_mu_);
  // Garbage collection, when something may have become garbage.
  Status Collect() REQUIRES(round_mu_);
  uint64_t CollectBudget();
  Status TrimJournal() REQUIRES(round_mu_);
  void CheckpointLoop();
  [[nodiscard]] bool CheckpointIsDue() const;
  // Commits what there is and pins the head's state.
  Result<CheckpointBase> PinHead() EXCLUDES(round_mu_);

  VolumeCore& core_;
  References& references_;
  Reaper reaper_;
  Chunker chunker_;

  Mutex checkpoint_mu_;  // one checkpoint at a time; before round_mu_
  Mutex round_mu_;       // before every lock of VolumeCore
  ObjectNumbers numbers_ GUARDED_BY(round_mu_);
  Collector collector_;
  int64_t next_collection_nanos_ GUARDED_BY(round_mu_) = 0;
  // Commits whose index records may not have survived yet: the LSN of the
  // record and the cut that may be trimmed once it has.
  std::deque<std::pair<Lsn, Lsn>> trimmable_ GUARDED_BY(round_mu_);

  // The commit object being put in place; empty once it is registered.
  std::string unregistered_ GUARDED_BY(round_mu_);

  mutable Mutex head_mu_;
  CondVar head_changed_;
  CommitRef head_ GUARDED_BY(head_mu_);
  bool waking_ GUARDED_BY(head_mu_) = false;

  Mutex loop_mu_;
  CondVar loop_wakeup_;
  bool stopping_ GUARDED_BY(loop_mu_) = false;
  std::atomic<bool> purge_requested_{false};
  std::atomic<uint64_t> released_{0};  // commits that every target holds
  // The newest checkpoint, and what the commits since then weigh.
  std::atomic<uint64_t> checkpoint_seq_{0};
  std::atomic<uint64_t> checkpoint_bytes_{0};
  std::atomic<uint64_t> weight_since_checkpoint_{0};
  std::thread round_thread_;
  std::thread checkpoint_thread_;
  std::thread sync_thread_;
};

}  // namespace trefoil
