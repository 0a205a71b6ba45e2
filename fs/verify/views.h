// SPDX-License-Identifier: Apache-2.0
// The trees that a volume shows: one for each epoch that a snapshot holds, in
// order, and the live one last. What is checked of records is checked of all
// trees in one walk: a record is visible in a range of views, so the work does
// not grow with the number of snapshots. Values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fs/index/history.h"

namespace trefoil {

// Views [first, end), as numbers counted from 0.
struct ViewRange {
  uint32_t first = 0;
  uint32_t end = 0;
  [[nodiscard]] bool empty() const { return first >= end; }
  // One of the range to name in a message.
  [[nodiscard]] uint32_t newest() const { return end - 1; }
  [[nodiscard]] ViewRange And(ViewRange other) const {
    return {std::max(first, other.first), std::min(end, other.end)};
  }
};

class Views {
 public:
  // The views of an index. Damaged snapshot records are left out here.
  static Result<Views> Load(IndexView& index);

  // Those in which a value alive in [birth, last] is visible.
  [[nodiscard]] ViewRange Of(Epoch birth, Epoch last) const;
  [[nodiscard]] ViewRange All() const {
    return {0, static_cast<uint32_t>(epochs_.size())};
  }
  [[nodiscard]] uint32_t live() const { return All().newest(); }
  // Where the view's tree is mounted: "" or "/.snapshots/NAME".
  [[nodiscard]] const std::string& Root(uint32_t view) const {
    return roots_[view];
  }

 private:
  std::vector<Epoch> epochs_;  // sorted, each once; the last is kLiveEpoch
  std::vector<std::string> roots_;
};

// A number for each view, changed by whole ranges.
class ViewCounter {
 public:
  struct Step {
    ViewRange range;
    uint64_t value = 0;
  };
  // Modulo 2^64; takes away with a negative `n` cast.
  void Add(ViewRange range, uint64_t n) {
    if (range.empty()) return;
    changes_[range.first] += n;
    changes_[range.end] -= n;
  }
  // Ranges of equal values that fill `all`, in order.
  [[nodiscard]] std::vector<Step> Steps(ViewRange all) const;
  // The views whose number is not 0, newest first, so many at most.
  [[nodiscard]] std::vector<uint32_t> NotZero(size_t max) const;
  void Clear() { changes_.clear(); }

 private:
  std::map<uint32_t, uint64_t> changes_;
};

// The steps that intersect `range`, as iterators.
inline std::vector<ViewCounter::Step>::const_iterator FirstStep(
    const std::vector<ViewCounter::Step>& steps, ViewRange range) {
  return std::lower_bound(steps.begin(), steps.end(), range.first,
                          [](const ViewCounter::Step& step, uint32_t view) {
                            return step.range.end <= view;
                          });
}

}  // namespace trefoil
