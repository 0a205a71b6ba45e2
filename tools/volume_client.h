// SPDX-License-Identifier: Apache-2.0
// Commands that need a mounted volume: from what was typed to a connection.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "fs/control/client.h"
#include "tools/volume_path.h"

namespace trefoil {

// Answers that need no work of the daemon come within this time.
inline constexpr int64_t kControlTimeoutNanos = 60'000'000'000;

// kUnavailable, with what to do, when the volume is not mounted.
Result<std::unique_ptr<ControlClient>> ConnectToVolume(
    const std::string& volume_or_mountpoint);

struct SyncRequest {
  std::string target = "all";
  int64_t timeout_seconds = 0;  // 0: for ever
};
CLI::Option* AddTimeoutOption(CLI::App& command, SyncRequest* request);
// Waits until everything acknowledged before the call is on the targets, with
// a progress line on a terminal.
Status SyncTargets(ControlClient& client, const SyncRequest& request);

}  // namespace trefoil
