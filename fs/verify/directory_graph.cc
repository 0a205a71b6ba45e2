// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/directory_graph.h"

#include <algorithm>
#include <numeric>

namespace trefoil {

void DirectoryGraph::Add(InodeId directory, InodeId parent, ViewRange range) {
  if (!links_.empty()) {
    Link& last = links_.back();
    if (last.directory == directory && last.parent == parent &&
        last.range.end == range.first) {
      last.range.end = range.end;
      return;
    }
  }
  links_.push_back({directory, parent, range});
}

size_t DirectoryGraph::Find(InodeId directory, uint32_t view) const {
  const auto at = std::lower_bound(
      links_.begin(), links_.end(), directory,
      [view](const Link& link, InodeId wanted) {
        return link.directory < wanted ||
               (link.directory == wanted && link.range.end <= view);
      });
  if (at == links_.end() || at->directory != directory ||
      at->range.first > view) {
    return kNone;
  }
  return static_cast<size_t>(at - links_.begin());
}

bool DirectoryGraph::Reaches(size_t link) {
  const uint32_t view = links_[link].range.first;
  ++walks_;
  size_t at = link;
  while (good_in_[at] != view + 1) {
    if (walk_[at] == walks_) return false;  // a circle
    walk_[at] = walks_;
    if (links_[at].parent == kRootInode) break;
    at = Find(links_[at].parent, view);
    if (at == kNone) return false;
  }
  // What was passed on the way reaches it too.
  for (at = link; walk_[at] == walks_ && good_in_[at] != view + 1;) {
    good_in_[at] = view + 1;
    if (links_[at].parent == kRootInode) break;
    at = Find(links_[at].parent, view);
  }
  return true;
}

void DirectoryGraph::Check(
    const std::function<void(InodeId directory, uint32_t view)>& report) {
  walk_.assign(links_.size(), 0);
  good_in_.assign(links_.size(), 0);
  std::vector<uint32_t> order(links_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    return links_[a].range.first < links_[b].range.first;
  });
  for (const uint32_t link : order) {
    if (!Reaches(link)) {
      report(links_[link].directory, links_[link].range.first);
    }
  }
}

}  // namespace trefoil
