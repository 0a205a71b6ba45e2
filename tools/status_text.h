// SPDX-License-Identifier: Apache-2.0
// What `trefoil status` prints, from control's status JSON. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "fs/control/protocol.h"

namespace trefoil {

// Several lines for people: the volume, then the copies side by side.
std::string StatusText(const Json& status);

// The targets alone: how far each is, what it holds, and its disks.
std::string TargetsText(const Json& status);
// How people know a disk: "3f2a91bc (blue)".
std::string DiskName(const std::string& id, const std::string& label);

// The Nagios convention: 0 fine, 1 warning, 2 critical, and one line.
struct StatusVerdict {
  int level = 0;
  std::string line;
};
// Critical: the volume takes no writes, a copy is fenced, or older than
// `max_age_seconds`. Warning: anything else that somebody should look at.
StatusVerdict JudgeStatus(const Json& status, int64_t max_age_seconds);

}  // namespace trefoil
