// SPDX-License-Identifier: Apache-2.0
// The replicator as the control socket sees it. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "fs/control/handlers.h"
#include "replicator/replicator.h"
#include "tools/drill_report.h"
#include "tools/open_volume.h"
#include "tools/target_changes.h"

namespace trefoil {

class ReplicatorTargets final : public ControlTargets {
 public:
  // Borrowed; outlives this. `may_change`: not a volume that nothing is to be
  // written to.
  ReplicatorTargets(Replicator& replicator, TargetOwner owner, bool may_change)
      : replicator_(replicator),
        volume_path_(owner.volume_path),
        changes_(std::move(owner), &replicator),
        may_change_(may_change) {}

  [[nodiscard]] std::vector<CopyStatus> Copies() const override {
    std::vector<CopyStatus> copies = ToCopyStatus(replicator_.status());
    AddDrills(Env::Posix(), volume_path_, &copies);
    return copies;
  }
  [[nodiscard]] HydrationFigures Hydration() const override {
    return ToHydrationFigures(replicator_.hydration());
  }
  [[nodiscard]] std::vector<ScrubFigures> Scrubs() const override {
    return ToScrubFigures(replicator_.scrubs());
  }
  uint64_t RequestScrub(bool far) override {
    return replicator_.RequestScrub(far);
  }
  bool WaitForScrub(uint64_t request, int64_t timeout_nanos) override {
    return replicator_.WaitForScrub(request, timeout_nanos);
  }
  Status WaitFor(const std::string& target, CommitSeq seq,
                 int64_t timeout_nanos) override {
    return replicator_.WaitFor(target, seq, timeout_nanos);
  }
  void Nudge() override { replicator_.Nudge(); }
  Result<Json> AddTarget(const TargetSettings& target, bool later) override {
    TREFOIL_TRY(CheckMayChange());
    return changes_.Add(target, later);
  }
  Result<Json> RemoveTarget(const std::string& name, bool force) override {
    TREFOIL_TRY(CheckMayChange());
    return changes_.Remove(name, force);
  }
  Result<Json> ForgetDisk(const std::string& name,
                          const std::string& disk) override {
    TREFOIL_TRY(CheckMayChange());
    return changes_.Forget(name, disk);
  }
  // Before the control socket goes.
  void CancelChanges() { changes_.Cancel(); }

 private:
  [[nodiscard]] Status CheckMayChange() const {
    if (may_change_) return OkStatus();
    return {StatusCode::kReadOnly,
            "the volume is mounted without writing to it"};
  }

  Replicator& replicator_;
  const std::string volume_path_;
  TargetChanges changes_;
  const bool may_change_;
};

}  // namespace trefoil
