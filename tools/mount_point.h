// SPDX-License-Identifier: Apache-2.0
// Checks of the directory that a volume is to be mounted on. Thread-safe.
#pragma once

#include <string>

#include "fs/base/status.h"

namespace trefoil {

// The absolute path of `mountpoint`, ready to be mounted on: it is a directory,
// nothing is mounted there, and it is empty (unless `nonempty`). A mount of
// ours whose daemon died is taken away first; no other mount is touched.
Result<std::string> PrepareMountpoint(const std::string& mountpoint,
                                      bool nonempty);
// `path` without symlinks and dots. The last part may be a mount that does not
// answer any more.
Result<std::string> CanonicalPath(const std::string& path);

}  // namespace trefoil
