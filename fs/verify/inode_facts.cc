// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/inode_facts.h"

#include <sys/stat.h>

namespace trefoil {

bool InodeVersion::is_directory() const { return S_ISDIR(mode); }
bool InodeVersion::is_regular() const { return S_ISREG(mode); }

bool InodeFacts::Add(const InodeVersion& version) {
  if (!versions_.empty() && version.range.first < versions_.back().range.end) {
    return false;
  }
  versions_.push_back(version);
  return true;
}

std::vector<InodeVersion>::const_iterator InodeFacts::First(
    ViewRange range) const {
  return std::lower_bound(versions_.begin(), versions_.end(), range.first,
                          [](const InodeVersion& version, uint32_t view) {
                            return version.range.end <= view;
                          });
}

}  // namespace trefoil
