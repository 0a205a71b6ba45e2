// SPDX-License-Identifier: Apache-2.0
// One simulated target and the shipper that keeps it, stepped by the
// simulation. After each step O3 is checked: a watermark that moved stands for
// a commit that is there.
// Thread rule: none.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "replicator/shipper.h"
#include "tests/support/sim_store.h"

namespace trefoil::sim {

class Target {
 public:
  Target(World world, SimClock& clock, SimStoreOptions options,
         uint64_t retry_attempts);

  // A shipper as each opening of the volume has its own.
  void Start(Volume& volume, const InstanceId& instance);
  void Stop() {
    shipper_.reset();
    source_.reset();
  }

  // False when there is nothing to do. An error says what O3 lacks.
  Result<bool> Step();
  [[nodiscard]] bool IsComplete() const;
  [[nodiscard]] CommitSeq watermark() const {
    return shipper_->status().watermark;
  }
  [[nodiscard]] TargetStatus status() const { return shipper_->status(); }
  void Nudge() { shipper_->Nudge(); }

  SimStore& store() { return store_; }
  // Loses something that was confirmed.
  std::string LoseObject(uint64_t nth);

 private:
  Status CheckWatermark();

  const World world_;
  SimClock& clock_;
  SimStore store_;
  const uint64_t retry_attempts_;
  std::set<std::string> lost_;
  Volume* volume_ = nullptr;
  std::unique_ptr<CommitSource> source_;
  std::unique_ptr<Shipper> shipper_;
};

}  // namespace trefoil::sim
