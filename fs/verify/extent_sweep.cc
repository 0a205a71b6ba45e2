// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/extent_sweep.h"

namespace trefoil {

void ExtentSweep::Begin() {
  open_.clear();
  endings_ = {};
  bytes_.Clear();
}

bool ExtentSweep::Add(uint64_t offset, uint64_t length, ViewRange range) {
  while (!endings_.empty() && endings_.top().first <= offset) {
    open_.erase(endings_.top().second);
    endings_.pop();
  }
  const auto after = open_.lower_bound(range.first);
  if (after != open_.end() && after->first < range.end) return false;
  if (after != open_.begin() &&
      std::prev(after)->second.end_view > range.first) {
    return false;
  }
  open_[range.first] = {range.end, offset + length};
  endings_.emplace(offset + length, range.first);
  bytes_.Add(range, length);
  return true;
}

}  // namespace trefoil
