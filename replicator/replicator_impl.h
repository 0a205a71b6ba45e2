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

#include "replicator/replicator.h"
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
  // A target that nothing is shipped to; shown with its last known state.
  void AddDetached(TargetStatus status);

  void Start() override;
  void Stop() override;
  Status WaitFor(const std::string& target, CommitSeq seq,
                 int64_t timeout_nanos) override;
  void Nudge() override;
  [[nodiscard]] std::vector<TargetStatus> status() const override;

 private:
  void Watch();
  void ReleaseCommits();
  void Changed();

  const World world_;
  const std::unique_ptr<CommitSource> source_;
  const InstanceId instance_;
  std::vector<std::unique_ptr<Shipper>> shippers_;
  std::vector<TargetStatus> detached_;
  std::thread watcher_;

  mutable Mutex mu_;  // taken before a shipper's
  CondVar changed_;
  bool stopping_ GUARDED_BY(mu_) = false;
};

}  // namespace trefoil
