// SPDX-License-Identifier: Apache-2.0
// Backlog: what of the local chain is not on a target yet, in order, and what
// it amounts to. Memory is bounded however long the target was away: only the
// next kWindow commits are held in detail.
// Thread rule: one thread.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "replicator/audit.h"
#include "replicator/commit_source.h"

namespace trefoil {

class Backlog {
 public:
  static constexpr size_t kWindow = 64;

  struct Item {
    CommitRef ref;
    std::vector<PackRef> packs;
  };

  explicit Backlog(CommitSource& source) : source_(source) {}

  // Begins anew behind `complete`; `present` is on the target already.
  void Reset(CommitSeq complete, NameSet present);
  // Takes in new commits, at most `max_commits` of them.
  Status Scan(size_t max_commits);
  [[nodiscard]] bool scanned_all() const {
    return scanned_ >= source_.head().seq;
  }

  // The next commit to ship; null when there is none.
  [[nodiscard]] const Item* front() const {
    return window_.empty() ? nullptr : &window_.front();
  }
  // Every pack that the next commit needs is on the target (O3).
  [[nodiscard]] bool FrontReady() const;
  [[nodiscard]] bool IsPresent(const Hash256& name) const {
    return present_.contains(name);
  }

  // A pack of the window to upload, each once, in order.
  std::optional<PackRef> NextPack();
  // What was given out and not done is given out again.
  void RestartPacks();
  void PackDone(const PackRef& pack);
  // The front is on the target.
  void FrontDone();

  [[nodiscard]] uint64_t objects_waiting() const { return objects_; }
  [[nodiscard]] uint64_t bytes_waiting() const { return bytes_; }

 private:
  Result<Item> ReadItem(CommitSeq after);
  Status FillWindow();
  void Count(const Item& item);
  void Discount(uint64_t bytes);

  CommitSource& source_;
  // Of the window, or ahead of it, and on the target.
  NameSet present_;
  std::deque<Item> window_;
  // The last commit in the window, or shipped; and the last one counted.
  CommitSeq planned_;
  CommitSeq scanned_;
  // Position of NextPack in the window.
  size_t next_item_ = 0;
  size_t next_pack_ = 0;
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace trefoil
