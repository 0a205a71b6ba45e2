// SPDX-License-Identifier: Apache-2.0
// References: how often the kernel knows each live inode, and which inodes
// have no names left. An orphan that nobody references is due for reaping.
// Thread-safe.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/base/types.h"

namespace trefoil {

class References {
 public:
  void Add(InodeId inode) {
    MutexLock lock(mu_);
    ++counts_[inode];
  }
  void Drop(InodeId inode, uint64_t count) {
    MutexLock lock(mu_);
    const auto at = counts_.find(inode);
    if (at == counts_.end()) return;  // a count from outside is not trusted
    if (at->second > count) {
      at->second -= count;
      return;
    }
    counts_.erase(at);
    if (orphans_.erase(inode) != 0) due_.push_back(inode);
  }
  // The inode has lost its last name.
  void AddOrphan(InodeId inode) {
    MutexLock lock(mu_);
    if (counts_.count(inode) != 0) {
      orphans_.insert(inode);
    } else {
      due_.push_back(inode);
    }
  }
  // The inode has a name again (linked through an open file).
  void RemoveOrphan(InodeId inode) {
    MutexLock lock(mu_);
    orphans_.erase(inode);
  }
  // Orphans that nobody references; each is handed out once.
  std::vector<InodeId> TakeDue() {
    MutexLock lock(mu_);
    return std::exchange(due_, {});
  }
  void PutBack(const std::vector<InodeId>& inodes) {
    MutexLock lock(mu_);
    due_.insert(due_.end(), inodes.begin(), inodes.end());
  }
  [[nodiscard]] bool AnyDue() const {
    MutexLock lock(mu_);
    return !due_.empty();
  }

 private:
  mutable Mutex mu_;
  std::unordered_map<InodeId, uint64_t> counts_ GUARDED_BY(mu_);
  std::unordered_set<InodeId> orphans_ GUARDED_BY(mu_);
  std::vector<InodeId> due_ GUARDED_BY(mu_);
};

}  // namespace trefoil
