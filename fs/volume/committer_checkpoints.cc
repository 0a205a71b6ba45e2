// SPDX-License-Identifier: Apache-2.0
// When and from what the committer has checkpoints written.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "fs/index/keys.h"
#include "fs/volume/committer.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// A failed attempt is repeated this much later.
constexpr int64_t kRetryNanos = 60 * kNanosPerSecond;
constexpr int kBackgroundNice = 5;
// A checkpoint is due when the commits since the last one weigh more than half
// of it, and more than this.
constexpr uint64_t kMinCheckpointWeight = 1ULL << 20;

}  // namespace

Result<CheckpointBase> Committer::PinHead() {
  MutexLock round(round_mu_);
  TREFOIL_TRY(core_.CheckWritable());
  core_.NoteError(Housekeep());
  CheckpointBase base;
  // A target that is brought up to date through the checkpoint then needs packs
  // only: its chain never has commits without those before them (O7).
  if (head().seq.value != checkpoint_seq_) {
    core_.NoteError(collector_.EmptyCommits());
  }
  auto cut = core_.MakeCut(true);
  if (cut) {
    TREFOIL_TRY(CommitCut(*cut, false));
    base.cut_view = std::move(cut->view);
  }
  {
    // Only operations change anything now: their keys are all in `changed`.
    MutexLock sequencer(core_.sequencer_mu);
    base.view = core_.index->Snapshot();
    base.changed = core_.changed.Sorted();
  }
  if (!cut && !base.changed.empty()) {
    return Status(StatusCode::kBusy, "checkpoint: a change came between");
  }
  base.commit = head();
  TREFOIL_ASSIGN(
      const auto record,
      base.view->Get(Family::kLocal, LocalCommitKey(base.commit.seq)));
  if (!record) {
    return Status(StatusCode::kCorruption,
                  "index: the newest commit has no record; run fsck");
  }
  TREFOIL_ASSIGN(base.record, CommitRecord::Decode(*record));
  return base;
}

Result<CommitRef> Committer::Checkpoint() {
  MutexLock one_at_a_time(checkpoint_mu_);
  auto base = PinHead();
  while (base.status().Is(StatusCode::kBusy)) base = PinHead();
  TREFOIL_TRY(base.status());
  if (base->commit.seq.value == checkpoint_seq_) return base->commit;
  const uint64_t weight = weight_since_checkpoint_;
  TREFOIL_TRY(WriteCheckpoint(core_, *base));
  TREFOIL_ASSIGN(const auto written, FindNewestCheckpoint(*core_.objects));
  checkpoint_seq_ = base->commit.seq.value;
  checkpoint_bytes_ = written ? written->info.size_bytes : 0;
  weight_since_checkpoint_ -= weight;
  collector_.NoteCheckpoint();
  return base->commit;
}

bool Committer::CheckpointIsDue() const {
  return collector_.wants_checkpoint() ||
         weight_since_checkpoint_ >
             std::max<uint64_t>(kMinCheckpointWeight, checkpoint_bytes_ / 2);
}

void Committer::CheckpointLoop() {
  setpriority(PRIO_PROCESS, 0, kBackgroundNice);
  int64_t not_before = 0;
  for (;;) {
    {
      MutexLock lock(loop_mu_);
      if (!stopping_) loop_wakeup_.WaitFor(loop_mu_, std::chrono::seconds(1));
      if (stopping_) return;
    }
    const int64_t now = core_.world.clock.MonotonicNanos();
    if (now < not_before || !CheckpointIsDue() || !core_.CheckWritable().ok()) {
      continue;
    }
    if (const auto done = Checkpoint(); !done.ok()) {
      core_.NoteError(done.status().WithContext("checkpoint"));
      not_before = now + kRetryNanos;
    }
  }
}

}  // namespace trefoil
