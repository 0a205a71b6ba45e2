// SPDX-License-Identifier: Apache-2.0
// What is known of one inode while it is checked: its versions, in the views
// that show them. Not thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "fs/verify/views.h"

namespace trefoil {

struct InodeVersion {
  ViewRange range;
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t flags = 0;
  uint64_t size_bytes = 0;
  InodeId parent;

  [[nodiscard]] uint32_t type() const { return mode >> 12 & 15; }
  [[nodiscard]] bool is_directory() const;
  [[nodiscard]] bool is_regular() const;
};

class InodeFacts {
 public:
  void Begin(InodeId inode) {
    inode_ = inode;
    versions_.clear();
  }
  [[nodiscard]] InodeId inode() const { return inode_; }
  // In order; false when it overlaps the one before.
  bool Add(const InodeVersion& version);
  [[nodiscard]] const std::vector<InodeVersion>& versions() const {
    return versions_;
  }

  // Calls `visit(version, part of range)` for each version in `range`.
  template <class Visit>
  void ForEach(ViewRange range, const Visit& visit) const {
    for (auto at = First(range);
         at != versions_.end() && at->range.first < range.end; ++at) {
      visit(*at, at->range.And(range));
    }
  }
  // A view of `range` in which there is no version that is `good`.
  template <class Good>
  [[nodiscard]] std::optional<uint32_t> FindBad(ViewRange range,
                                                const Good& good) const {
    std::optional<uint32_t> bad;
    uint32_t covered = range.first;
    ForEach(range, [&](const InodeVersion& version, ViewRange part) {
      if (part.first > covered) bad = part.first - 1;
      if (!good(version)) bad = part.newest();
      covered = part.end;
    });
    if (covered < range.end) bad = range.newest();
    return bad;
  }
  // A view of `range` in which the inode is not there.
  [[nodiscard]] std::optional<uint32_t> FindMissing(ViewRange range) const {
    return FindBad(range, [](const InodeVersion&) { return true; });
  }

 private:
  // The first version that reaches into `range`.
  [[nodiscard]] std::vector<InodeVersion>::const_iterator First(
      ViewRange range) const;

  InodeId inode_;
  std::vector<InodeVersion> versions_;
};

}  // namespace trefoil
