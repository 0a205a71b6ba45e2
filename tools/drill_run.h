// SPDX-License-Identifier: Apache-2.0
// One recovery drill of one copy. It changes nothing there and owns nothing
// there (O9).
// Thread rule: one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "replicator/store/cancel.h"
#include "tools/drill_live.h"
#include "tools/drill_report.h"
#include "tools/drill_scratch.h"

namespace trefoil {

struct DrillOptions {
  VolumeLocation location;
  VolumeId volume_id{};
  TargetSettings target;
  std::string credentials_file;
  SecretArguments secret_arguments;  // open the volume itself
  Secret secret;                     // opens the copy
  std::string opened_with;           // in words
  std::string snapshot;              // to compare; empty: the live tree
  // The copy's state then, instead of its newest.
  std::optional<CommitSeq> at_seq;
  std::optional<int64_t> at_nanos;
  bool all = false;
  uint64_t sample = 0;
  uint64_t seed = 0;
  std::string scratch;  // the place for the recovered copy
  int64_t wait_seconds = 0;
  // Cancelled by a signal: everything is cleaned up then.
  std::shared_ptr<CancelToken> cancel;
};

// Never fails: what ended it is in the report.
DrillReport RunDrill(const DrillOptions& options);

}  // namespace trefoil
