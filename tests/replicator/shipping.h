// SPDX-License-Identifier: Apache-2.0
// What tests of shippers share: a target in a directory behind a store that
// counts, notes and fails operations, and a shipper that can be "killed" at
// any of them and started again.
// Thread rule: use by one thread; TargetFaults by any.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replicator/shipper.h"
#include "tests/replicator/test_source.h"
#include "tests/support/fault_env.h"
#include "tests/support/fault_store.h"
#include "tests/support/temp_dir.h"

namespace trefoil::testing {

// Polls until `condition` holds; false after `seconds`.
bool Eventually(const std::function<bool()>& condition, int seconds = 60);

class Shipping {
 public:
  Shipping();
  ~Shipping();

  // A new shipper with a new instance, as after a mount.
  void Start();
  // An orderly end.
  void Stop();
  // The end of a shipper whose process died: its state file stays as it was
  // when the faults struck.
  void Kill();
  [[nodiscard]] bool WaitForWatermark(CommitSeq seq);
  // Waits until the status has this state.
  [[nodiscard]] bool WaitForState(const std::string& state);
  TargetStatus status() { return shipper_->status(); }
  Shipper& shipper() { return *shipper_; }
  // Adds a commit and tells the shipper.
  CommitRef Commit(int packs);

  // The target's directory, looked at past all faults.
  ObjectStore& target() { return *target_; }
  [[nodiscard]] std::string target_path() const { return dir_.Path("target"); }
  [[nodiscard]] std::string state_path() const {
    return dir_.Path("targets/second.json");
  }
  // Removes everything from the target.
  void EmptyTarget();
  std::string Incomplete(CommitSeq watermark) {
    return WhatIsIncomplete(target(), source, watermark);
  }

 private:
  TempDir dir_;
  std::unique_ptr<LocalTree> target_;

 public:
  // Without syncs: no machine crashes here.
  FaultEnv disk{Env::Posix()};
  TestSource source;
  TargetFaults faults;
  FaultEnv env{Env::Posix()};  // the shipper's, for its state file
  ShipperOptions options;

 private:
  std::unique_ptr<Shipper> shipper_;
};

}  // namespace trefoil::testing
