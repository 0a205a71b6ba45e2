// SPDX-License-Identifier: Apache-2.0
// OpenTarget: from a target's URL and options to the ObjectStore that the rest
// of the program uses. No target is contacted here: one that is away is a
// state, not an error (O8).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/object_store.h"
#include "replicator/store/cancel.h"
#include "replicator/store/dir_store.h"
#include "replicator/store/http_client.h"
#include "replicator/store/retry_store.h"
#include "replicator/store/target_url.h"

namespace trefoil {

struct TargetConfig {
  std::string name;  // "second", "offsite"; for messages
  std::string url;
  TargetOptions options;
  // dir: the target that must be there; none takes any.
  std::optional<DirTargetId> expected_id;
  RetryOptions retry;      // s3 only
  HttpClientOptions http;  // s3 only; its ca_file is taken from `options`
};

// kInvalidArgument (URL, options) or kPermissionDenied (no credentials), named
// after the target. `env`, `clock` and `random` outlive the store. Calls end
// soon after `cancel` is cancelled; null: never cancelled.
Result<std::unique_ptr<ObjectStore>> OpenTarget(
    const TargetConfig& config, Env& env, Clock& clock, Random& random,
    std::shared_ptr<CancelToken> cancel = nullptr);

}  // namespace trefoil
