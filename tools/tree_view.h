// SPDX-License-Identifier: Apache-2.0
// A tree of files as somebody who reads it sees it: below a mountpoint, through
// the kernel, or of a volume that this process has open. Both show the same of
// the same tree, so that two of them can be compared.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/volume/volume.h"

namespace trefoil {

struct NodeFacts {
  uint64_t inode = 0;  // the same in every copy: hard links have one
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t rdev = 0;
  uint64_t size_bytes = 0;
  int64_t atime_nanos = 0;
  int64_t mtime_nanos = 0;
  int64_t ctime_nanos = 0;
  int64_t btime_nanos = 0;
  std::map<std::string, std::string> xattrs;
};

struct TreeEntry {
  std::string name;
  bool is_directory = false;
};

// Paths are relative to the tree's root, which is "". Symbolic links are never
// followed.
class TreeView {
 public:
  using VisitBytes = std::function<Status(std::string_view)>;

  virtual ~TreeView() = default;
  virtual Result<NodeFacts> Look(const std::string& path) = 0;
  // What is in a directory, by name; without `.snapshots`.
  virtual Result<std::vector<TreeEntry>> List(const std::string& path) = 0;
  virtual Result<std::string> ReadLink(const std::string& path) = 0;
  // All bytes of a regular file, in order.
  virtual Status Read(const std::string& path, const VisitBytes& visit) = 0;
};

// Whether `error`, of one of these, says that there is no such entry.
bool IsMissing(const Status& error);

// The tree below `root`, a directory of a mounted volume.
Result<std::unique_ptr<TreeView>> OpenMountedTree(const std::string& root);

// The live tree of `volume`, or the snapshot of this name; kNotFound when there
// is none. `volume` outlives it, and nobody changes it meanwhile.
Result<std::unique_ptr<TreeView>> OpenVolumeTree(Volume& volume,
                                                 const std::string& snapshot);

}  // namespace trefoil
