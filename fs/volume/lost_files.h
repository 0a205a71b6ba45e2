// SPDX-License-Identifier: Apache-2.0
// The files of which something could not be read from any copy, for status;
// at most kMax of them. A file leaves the list when it can be read again.
// Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/index/index.h"
#include "fs/volume/snapshot_table.h"
#include "fs/volume/types.h"

namespace trefoil {

class LostFiles {
 public:
  static constexpr size_t kMax = 100;

  void Note(NodeId node, const Status& why);
  // Something of `node` was read; nearly free while the list is empty.
  void NoteGood(NodeId node) {
    if (any_) Remove(node);
  }
  // With their paths, which are looked for in `index` where they are not known
  // yet: one walk over all names.
  std::vector<LostFile> List(IndexView& index, const SnapshotTable& snapshots);

 private:
  struct Entry {
    std::string path;  // empty: not looked for yet
    std::string reason;
  };

  void Remove(NodeId node);

  std::atomic<bool> any_{false};
  Mutex mu_;
  std::map<NodeId, Entry> files_ GUARDED_BY(mu_);
};

// The path of an inode as `epoch` has it, below the tree's root; of several
// names any one. "inode N" where no name leads there.
std::string FindPath(IndexView& index, InodeId inode, Epoch epoch);

}  // namespace trefoil
