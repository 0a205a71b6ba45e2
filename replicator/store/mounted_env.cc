// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/mounted_env.h"

#include <fmt/format.h>

#include <utility>

namespace trefoil {

MountedEnv::MountedEnv(Env& base, std::string root)
    : base_(base), root_(std::move(root)) {}

Result<std::unique_ptr<File>> MountedEnv::Open(const std::string& path,
                                               OpenMode mode) {
  return base_.Open(path, mode);
}

Result<FileInfo> MountedEnv::Stat(const std::string& path) {
  return base_.Stat(path);
}

Result<std::vector<DirEntry>> MountedEnv::List(const std::string& path) {
  return base_.List(path);
}

Status MountedEnv::CreateDir(const std::string& path) {
  if (path != root_ && DirName(path) != root_) return base_.CreateDir(path);
  // Asked of the medium instead of tried: it may go away at any moment.
  if (base_.Exists(path)) {
    return {StatusCode::kAlreadyExists, path + ": exists"};
  }
  return {StatusCode::kUnavailable,
          fmt::format("not there: {} is missing (disk not plugged in?)", path)};
}

Status MountedEnv::Rename(const std::string& from, const std::string& to) {
  return base_.Rename(from, to);
}

Status MountedEnv::Link(const std::string& from, const std::string& to) {
  return base_.Link(from, to);
}

Status MountedEnv::Remove(const std::string& path) {
  return base_.Remove(path);
}

Status MountedEnv::RemoveDir(const std::string& path) {
  return base_.RemoveDir(path);
}

Status MountedEnv::SyncDir(const std::string& path) {
  return base_.SyncDir(path);
}

Result<std::unique_ptr<FileLock>> MountedEnv::Lock(const std::string& path) {
  return base_.Lock(path);
}

Result<SpaceInfo> MountedEnv::Space(const std::string& path) {
  return base_.Space(path);
}

}  // namespace trefoil
