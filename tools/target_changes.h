// SPDX-License-Identifier: Apache-2.0
// Changes of a volume's targets as the control socket answers them: in the
// daemon of a mounted volume, and in the command that holds another one's lock.
// Thread rule: thread-safe; one change at a time.
#pragma once

#include <string>

#include "fs/base/mutex.h"
#include "fs/control/protocol.h"
#include "replicator/replicator.h"
#include "replicator/target_change.h"

namespace trefoil {

class TargetChanges {
 public:
  // `replicator`: null where the volume is not mounted.
  TargetChanges(TargetOwner owner, Replicator* replicator)
      : owner_(std::move(owner)), replicator_(replicator) {}

  // As the methods target-add, target-remove and target-forget
  // (fs/control/handlers.h).
  Result<Json> Add(TargetSettings target, bool later);
  Result<Json> Remove(const std::string& name, bool force);
  Result<Json> Forget(const std::string& name, const std::string& disk);
  // Ends a change that waits for a target.
  void Cancel();

 private:
  TargetStatus Known(const std::string& name);

  const TargetOwner owner_;
  Replicator* const replicator_;
  Mutex mu_;
};

}  // namespace trefoil
