// SPDX-License-Identifier: Apache-2.0
// The Replicator over any CommitSource and any stores: what Replicator::Create
// makes for a volume, and what tests drive directly.
// Thread rule: as Replicator.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "replicator/hydrator.h"
#include "replicator/replicator.h"
#include "replicator/scrubber.h"
#include "replicator/shipper.h"

namespace trefoil {

// `volume` as shippers see it; borrowed.
std::unique_ptr<CommitSource> SourceOf(Volume& volume);

class ReplicatorImpl final : public Replicator {
 public:
  // Without a source of its own (`source` null) every target is detached.
  ReplicatorImpl(World world, std::unique_ptr<CommitSource> source);
  ~ReplicatorImpl() override;

  // Before Start.
  void AddTarget(ShipperOptions options);
  // Where objects are read from; what `volume` does not have yet is fetched,
  // and everything is scrubbed.
  void ReadFrom(const VolumeConfig& config, const std::string& credentials_file,
                Volume& volume);
  // A target that nothing is shipped to; shown with its last known state.
  void AddDetached(TargetStatus status);

  void Start() override;
  void Stop() override;
  Status WaitFor(const std::string& target, CommitSeq seq,
                 int64_t timeout_nanos) override;
  void Nudge() override;
  [[nodiscard]] std::vector<TargetStatus> status() const override;
  [[nodiscard]] HydrationStatus hydration() const override {
    return hydrator_ ? hydrator_->status() : HydrationStatus();
  }
  uint64_t RequestScrub(bool far) override {
    return started_ && scrubber_ ? scrubber_->Request(far) : 0;
  }
  bool WaitForScrub(uint64_t request, int64_t timeout_nanos) override {
    return scrubber_ && scrubber_->WaitFor(request, timeout_nanos);
  }
  [[nodiscard]] std::vector<ScrubStatus> scrubs() const override {
    return scrubber_ ? scrubber_->status() : std::vector<ScrubStatus>();
  }
  [[nodiscard]] ObjectCopies copies() const override { return copies_; }

 private:
  void Watch();
  void ReleaseCommits();
  void Changed();

  const World world_;
  const std::unique_ptr<CommitSource> source_;
  const InstanceId instance_;
  std::vector<std::unique_ptr<Shipper>> shippers_;
  std::vector<TargetStatus> detached_;
  ObjectCopies copies_;
  std::unique_ptr<Hydrator> hydrator_;
  std::unique_ptr<Scrubber> scrubber_;
  const std::shared_ptr<CancelToken> cancel_reads_ =
      std::make_shared<CancelToken>();
  std::atomic<bool> started_{false};
  std::thread watcher_;

  mutable Mutex mu_;  // taken before a shipper's
  CondVar changed_;
  bool stopping_ GUARDED_BY(mu_) = false;
};

}  // namespace trefoil
