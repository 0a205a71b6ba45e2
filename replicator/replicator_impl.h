// SPDX-License-Identifier: Apache-2.0
// What Replicator::Create makes for a volume.
// Thread rule: as Replicator.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "replicator/copy_store.h"
#include "replicator/hydrator.h"
#include "replicator/replicator.h"
#include "replicator/scrubber.h"
#include "replicator/shipper.h"

namespace trefoil {

// `volume` as shippers see it; borrowed.
std::unique_ptr<CommitSource> SourceOf(Volume& volume);
// What the state file of a target says.
TargetStatus LastKnown(Env& env, const std::string& volume_path,
                       const TargetSettings& target);

class ReplicatorImpl final : public Replicator {
 public:
  ReplicatorImpl(World world, Volume& volume, const VolumeConfig& config,
                 std::string credentials_file);
  ~ReplicatorImpl() override;

  // Of the configuration, before Start.
  Status AddConfigured(const TargetSettings& target);

  void Start() override;
  void Stop() override;
  Status WaitFor(const std::string& target, CommitSeq seq,
                 int64_t timeout_nanos) override;
  void Nudge() override;
  Status AddTarget(const TargetSettings& target) override;
  Status RemoveTarget(const std::string& name) override;
  Result<TargetDisk> ForgetDisk(const std::string& name,
                                const std::string& disk) override;
  [[nodiscard]] std::vector<TargetStatus> status() const override;
  [[nodiscard]] HydrationStatus hydration() const override {
    return hydrator_.status();
  }
  uint64_t RequestScrub(bool far) override {
    return started_ ? scrubber_.Request(far) : 0;
  }
  bool WaitForScrub(uint64_t request, int64_t timeout_nanos) override {
    return scrubber_.WaitFor(request, timeout_nanos);
  }
  [[nodiscard]] std::vector<ScrubStatus> scrubs() const override {
    return scrubber_.status();
  }
  [[nodiscard]] ObjectCopies copies() const override;

 private:
  // Shared with who is about to ask it something when it is removed.
  struct Target {
    TargetSettings settings;
    std::unique_ptr<Shipper> shipper;  // null: detached
    TargetStatus last_known;           // of a detached one
    std::shared_ptr<CopyStore> copy;   // to read from
  };
  using Targets = std::vector<std::shared_ptr<Target>>;

  Result<std::shared_ptr<Target>> MakeTarget(const TargetSettings& settings);
  Result<ShipperOptions> ShipperOptionsOf(const TargetSettings& settings);
  [[nodiscard]] std::vector<ScrubPlace> places() const;
  [[nodiscard]] Targets targets() const EXCLUDES(mu_);
  [[nodiscard]] std::vector<TargetStatus> StatusLocked() const REQUIRES(mu_);
  // Everybody reads from the present targets.
  void UseCopies();
  void Watch();
  void ReleaseCommits();
  void Changed();

  const World world_;
  Volume& volume_;
  const bool is_detached_;
  const std::string credentials_file_;
  const std::unique_ptr<CommitSource> source_;
  const InstanceId instance_;
  std::optional<CommitRef> claim_base_;  // constant after construction
  std::atomic<bool> started_{false};
  std::thread watcher_;

  Mutex changes_mu_;  // of the targets, and Stop; taken before mu_
  mutable Mutex mu_;  // taken before a shipper's
  CondVar changed_;
  bool stopping_ GUARDED_BY(mu_) = false;
  Targets targets_ GUARDED_BY(mu_);

  // Gone before the stores that they read.
  Hydrator hydrator_;
  Scrubber scrubber_;
};

}  // namespace trefoil
