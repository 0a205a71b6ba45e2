// SPDX-License-Identifier: Apache-2.0
// Taking a volume's lock: one process at a time has a volume open.
//
// umount(8) returns when the mount is gone; its daemon then still closes the
// volume, for some milliseconds or, on a slow disk, for seconds. Whoever comes
// next ("umount ... && trefoil fsck ...") waits for that, and is refused when
// the volume is really in use: its control socket tells, which a daemon has
// from the mount's first moment to its last.
//
// Thread rule: free function, thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fs/base/env.h"

namespace trefoil {

// In the volume's directory, while it is mounted.
inline constexpr std::string_view kControlSocketName = "control.sock";

// The lock of the volume in `path`. kBusy when somebody has it for longer than
// closing takes, or has it and serves a mount.
Result<std::unique_ptr<FileLock>> LockVolume(Env& env, const std::string& path);

}  // namespace trefoil
