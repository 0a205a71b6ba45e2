// SPDX-License-Identifier: Apache-2.0
// Which directories lead up to the root, in every view. Takes about 32 bytes of
// memory for each directory (and for each parent that it had). Not thread-safe.
//
// A circle that a view shows is also there in the view in which the youngest of
// its links begins; so each link is followed upwards once, where it begins.
#pragma once

#include <functional>
#include <vector>

#include "fs/verify/views.h"

namespace trefoil {

class DirectoryGraph {
 public:
  // In the order of directories, and of views.
  void Add(InodeId directory, InodeId parent, ViewRange range);
  // Calls `report(directory, view)` for links from which the root is not
  // reached. Once, after everything was added.
  void Check(
      const std::function<void(InodeId directory, uint32_t view)>& report);

 private:
  struct Link {
    InodeId directory;
    InodeId parent;
    ViewRange range;
  };
  static constexpr size_t kNone = ~size_t{0};

  // The link of `directory` that `view` shows.
  [[nodiscard]] size_t Find(InodeId directory, uint32_t view) const;
  // Walks up from `link` in its first view.
  bool Reaches(size_t link);

  std::vector<Link> links_;
  // For each link, 1 + the number of the walk that came through it, and the
  // first view (plus one) in which it was found to reach the root.
  std::vector<uint32_t> walk_;
  std::vector<uint32_t> good_in_;
  uint32_t walks_ = 0;
};

}  // namespace trefoil
