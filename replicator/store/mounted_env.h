// SPDX-License-Identifier: Apache-2.0
// MountedEnv: an Env that never makes a directory at the top of one tree, nor
// the tree itself. When the disk below a `dir:` target is unmounted between a
// check and a write, the write then fails in the empty mountpoint instead of
// filling the disk that holds the mountpoint.
//
// Nor does it follow what a disk from elsewhere may hold instead of files and
// directories: a link that leads out of the tree (O10: nothing of a medium is
// trusted), a pipe that nobody ever writes to. Below the root these are
// kCorruption, except that they may be removed or replaced.
// Thread rule: thread-safe when the Env below is.
#pragma once

#include <memory>
#include <string>
#include <string_view>
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
  Result<FileKind> KindOf(const std::string& path) override;
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
  // Every part of `path` below the root is a directory, or not there; the last
  // one may be a file.
  Status CheckPlain(std::string_view path);
  // As CheckPlain for all but the last part.
  Status CheckParents(std::string_view path);

  Env& base_;
  const std::string root_;
};

}  // namespace trefoil
