// SPDX-License-Identifier: Apache-2.0
// From what a user typed, VOLUME or MOUNTPOINT, to the volume. Thread-safe.
#pragma once

#include <string>

#include "fs/base/status.h"

namespace trefoil {

struct VolumeLocation {
  std::string volume;      // absolute
  std::string mountpoint;  // empty when no mount of it is known
};

// kNotFound when `argument` is neither a mountpoint of a Trefoil volume nor
// the directory of one. A mount whose process has died is found as well.
Result<VolumeLocation> FindVolume(const std::string& argument);

// `path` made absolute, without `.`, `..` and a trailing slash; symbolic links
// are followed where that is possible.
std::string AbsolutePath(const std::string& path);

}  // namespace trefoil
