// SPDX-License-Identifier: Apache-2.0
// MountedEnv: an Env that never makes a directory at the top of one tree, nor
// the tree itself. When the disk below a `dir:` target is unmounted between a
// check and a write, the write then fails in the empty mountpoint instead of
// filling the disk that holds the mountpoint.
// Thread rule: thread-safe when the Env below is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/base/env.h"

namespace trefoil {

class MountedEnv : public Env {
 public:
  // `base` outlives this. `root` is the top of the tree.
  MountedEnv(Env& base, std::string root);

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  // kUnavailable for the root and its direct children.
  Status CreateDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;

 private:
  Env& base_;
  const std::string root_;
};

}  // namespace trefoil
