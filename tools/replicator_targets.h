// SPDX-License-Identifier: Apache-2.0
// The replicator as the control socket sees it. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "fs/control/handlers.h"
#include "replicator/replicator.h"
#include "tools/open_volume.h"

namespace trefoil {

class ReplicatorTargets final : public ControlTargets {
 public:
  // Borrowed; outlives this.
  explicit ReplicatorTargets(Replicator& replicator)
      : replicator_(replicator) {}

  [[nodiscard]] std::vector<CopyStatus> Copies() const override {
    return ToCopyStatus(replicator_.status());
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

 private:
  Replicator& replicator_;
};

}  // namespace trefoil
