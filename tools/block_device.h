// SPDX-License-Identifier: Apache-2.0
// Whether two paths lie on one disk, so that one failure takes both.
#pragma once

#include <string>

namespace trefoil {

// True when both are known to be on the same block device or on partitions of
// the same disk. Paths that do not exist yet count as their nearest parent.
bool OnSameDisk(const std::string& a, const std::string& b);

}  // namespace trefoil
