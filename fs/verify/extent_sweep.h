// SPDX-License-Identifier: Apache-2.0
// Looks at the extents of one inode in order: in no view may two of them
// overlap. Not thread-safe.
#pragma once

#include <map>
#include <queue>
#include <utility>
#include <vector>

#include "fs/verify/views.h"

namespace trefoil {

class ExtentSweep {
 public:
  void Begin();
  // The next extent, by its offset. False when one before it overlaps it in
  // some view; it is then not counted.
  bool Add(uint64_t offset, uint64_t length, ViewRange range);
  // Bytes in extents, in each view.
  [[nodiscard]] const ViewCounter& bytes() const { return bytes_; }

 private:
  struct Open {
    uint32_t end_view = 0;
    uint64_t end_offset = 0;
  };

  // Those that may reach beyond the present offset, by their first view; their
  // ranges of views do not overlap.
  std::map<uint32_t, Open> open_;
  using Ending = std::pair<uint64_t, uint32_t>;  // offset, first view
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings_;
  ViewCounter bytes_;
};

}  // namespace trefoil
