// SPDX-License-Identifier: Apache-2.0
// Backlog: what of the local chain is not on a target yet, in order, and what
// it amounts to. Memory is bounded however long the target was away: only the
// next kWindow commits are held in detail.
// Thread rule: one thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "replicator/audit.h"
#include "replicator/commit_source.h"
#include "replicator/object_item.h"

namespace trefoil {

class Backlog {
 public:
  static constexpr size_t kWindow = 64;

  // What brings a target to the state of a commit.
  struct Item {
    CommitRef ref;
    ObjectItem last;  // the commit, or a checkpoint that equals it
    std::vector<ObjectItem> first;  // what must be on the target before (O3)
    // So many of `first` must be there before the rest of it.
    size_t first_of_all = 0;
  };

  explicit Backlog(CommitSource& source) : source_(source) {}

  // Begins anew behind `complete`; the target has `held` already.
  void Reset(CommitSeq complete, HeldObjects held);
  // The same, with a checkpoint to ship before all else.
  void Rebase(Item checkpoint, HeldObjects held);
  // Takes in new commits, at most `max_commits` of them. kTrimmed when the
  // next one is no longer on the primary.
  Status Scan(size_t max_commits);
  [[nodiscard]] bool scanned_all() const {
    return scanned_ >= source_.head().seq;
  }

  // The next one to ship; null when there is none.
  [[nodiscard]] const Item* front() const {
    return window_.empty() ? nullptr : &window_.front();
  }
  // The front is a checkpoint.
  [[nodiscard]] bool rebasing() const { return rebasing_; }
  // Everything that must be on the target before the front's last object is.
  [[nodiscard]] bool FrontReady();
  [[nodiscard]] bool IsPresent(const ObjectItem& object) const {
    return held_.Has(object.name, object.size_bytes);
  }

  // An object of the window that comes first, each once, in order.
  std::optional<ObjectItem> NextUpload();
  // What was given out and not done is given out again.
  void RestartUploads();
  void UploadDone(const ObjectItem& object);
  // The front is on the target.
  void FrontDone();

  [[nodiscard]] uint64_t objects_waiting() const { return objects_; }
  [[nodiscard]] uint64_t bytes_waiting() const { return bytes_; }

 private:
  Result<Item> ReadItem(CommitSeq after);
  void AdvancePresent();
  [[nodiscard]] bool IsInWindow(const ObjectItem& object) const;
  Status FillWindow();
  void Count(const Item& item);
  void CountOne(const ObjectItem& object);
  void Discount(uint64_t bytes);

  CommitSource& source_;
  // On the target: of the window, or ahead of it, or nobody's.
  HeldObjects held_;
  std::deque<Item> window_;
  bool rebasing_ = false;
  // The last commit in the window, or shipped; and the last one counted.
  CommitSeq planned_;
  CommitSeq scanned_;
  // Position of NextUpload in the window.
  size_t next_item_ = 0;
  size_t next_object_ = 0;
  size_t front_present_ = 0;  // so many of the front's first are present
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace trefoil
