// SPDX-License-Identifier: Apache-2.0
// TestSource: a chain of real commits and packs in a real local tree, without
// a volume around it: a CommitSource whose every commit a test decides about.
// Thread rule: AddCommit and the like by one thread; the CommitSource part by
// any.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/index/records.h"
#include "fs/object/commit.h"
#include "replicator/commit_source.h"
#include "replicator/replicator.h"

namespace trefoil::testing {

World RealWorld();

class TestSource final : public CommitSource {
 public:
  // Makes `path`, with the volume object of a new volume in it.
  explicit TestSource(const std::string& path, Env& env = Env::Posix());

  // A commit that needs `packs` new packs of about `pack_bytes` each, and tells
  // of what was retired.
  CommitRef AddCommit(int packs, size_t pack_bytes = 3000);
  // The clock is put forward, or back, by so much.
  void SetClock(int64_t seconds) { clock_seconds_ += seconds; }
  // The same, holding blocks of its own.
  CommitRef AddHolder();
  void AddCommits(int count, int packs) {
    for (int i = 0; i < count; ++i) AddCommit(packs);
  }
  // As a volume that is opened again.
  void NextGeneration();
  void SetGeneration(uint64_t generation);
  // Forgets (and keeps) the commits after `seq`: what an older copy of the
  // volume's disk would go on from.
  void RewindTo(CommitSeq seq);

  // Nothing needs these from the next commit on.
  void Retire(const std::vector<PackRef>& packs);
  void RetireHolder(const CommitRef& commit);
  // Removes the files of what was retired and is in a commit.
  void LetGoOfRetired();
  // Lets a checkpoint stand for the commits up to `through`: they go, unless
  // they hold blocks.
  void TrimCommits(CommitSeq through);
  [[nodiscard]] CommitSeq released() const;
  [[nodiscard]] int checkpoints_made() const;

  // All commits ever made but those taken back, trimmed ones too.
  [[nodiscard]] std::vector<CommitRef> commits() const;
  // The objects that hold blocks of the state after commit `seq`.
  [[nodiscard]] std::set<std::string> Holders(CommitSeq seq) const;
  // The packs that `commit` added.
  std::vector<PackRef> Packs(const CommitRef& commit);

  [[nodiscard]] CommitRef head() const override;
  Result<CommitRef> NextCommit(CommitSeq after) override;
  bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) override;
  Result<CommitRef> Checkpoint() override;
  Result<std::optional<ObjectInfo>> NewestCheckpoint() override;
  void ReleaseCommits(CommitSeq through) override;
  Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) override;
  LocalTree& objects() override { return objects_; }
  // There is no other copy; what is not there was let go.
  Status Heal(const std::string& key, const Status& why) override {
    return why.Is(StatusCode::kNotFound) ? Status(StatusCode::kTrimmed, key)
                                         : why;
  }
  [[nodiscard]] VolumeId volume_id() const override { return volume_id_; }
  [[nodiscard]] const Keyring& keyring() const override { return *keyring_; }
  [[nodiscard]] Generation generation() const override;

 private:
  PackRef AddPack(size_t bytes);
  CommitRef MakeCommit(int packs, size_t pack_bytes, bool holds_blocks);
  Status WriteState(CommitWriter& writer);
  std::string TemporaryPath();

  Env& env_;
  LocalTree objects_;
  VolumeId volume_id_{};
  std::shared_ptr<const Keyring> keyring_;
  uint64_t next_pack_no_ = 1;
  int64_t clock_seconds_ = 0;

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<CommitRef> chain_ GUARDED_BY(mu_);
  CommitSeq trimmed_ GUARDED_BY(mu_);
  CommitSeq released_ GUARDED_BY(mu_);
  int checkpoints_made_ GUARDED_BY(mu_) = 0;
  std::map<PackNo, PackRecord> live_ GUARDED_BY(mu_);  // holders of blocks
  std::vector<std::set<std::string>> holders_ GUARDED_BY(mu_);  // by commit
  std::vector<PackRef> retired_ GUARDED_BY(mu_);     // in no commit yet
  std::vector<std::string> let_go_ GUARDED_BY(mu_);  // their keys, in one
  Generation generation_ GUARDED_BY(mu_){1};
};

std::string KeyOf(const CommitRef& commit);
// A CommitSource over another one that outlives it.
class BorrowedSource final : public CommitSource {
 public:
  explicit BorrowedSource(CommitSource& base) : base_(base) {}
  [[nodiscard]] CommitRef head() const override { return base_.head(); }
  Result<CommitRef> NextCommit(CommitSeq after) override {
    return base_.NextCommit(after);
  }
  bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) override {
    return base_.WaitForCommit(after, timeout_nanos);
  }
  Result<CommitRef> Checkpoint() override { return base_.Checkpoint(); }
  Result<std::optional<ObjectInfo>> NewestCheckpoint() override {
    return base_.NewestCheckpoint();
  }
  void ReleaseCommits(CommitSeq through) override {
    base_.ReleaseCommits(through);
  }
  Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) override {
    return base_.VisitHeadObjects(visit);
  }
  LocalTree& objects() override { return base_.objects(); }
  [[nodiscard]] const Keyring& keyring() const override {
    return base_.keyring();
  }
  Status Heal(const std::string& key, const Status& why) override {
    return base_.Heal(key, why);
  }
  [[nodiscard]] VolumeId volume_id() const override {
    return base_.volume_id();
  }
  [[nodiscard]] Generation generation() const override {
    return base_.generation();
  }

 private:
  CommitSource& base_;
};

// Empty when the target holds, of the commits of `source` that are there, all
// packs and all commits before them, and every commit up to `watermark`;
// otherwise what is wrong (O3).
std::string WhatIsIncomplete(ObjectStore& target, TestSource& source,
                             CommitSeq watermark);

// Empty when the target alone gives the state of a commit of `source` at or
// after `watermark` (O7): its owner's chain is whole, and what holds blocks of
// the chain's last state is there; otherwise what is wrong.
std::string WhyNotRecoverable(ObjectStore& target, TestSource& source,
                              CommitSeq watermark);

}  // namespace trefoil::testing
