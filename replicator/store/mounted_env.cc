// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/mounted_env.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace trefoil {

MountedEnv::MountedEnv(Env& base, std::string root)
    : base_(base), root_(std::move(root)) {}

Status MountedEnv::CheckPlain(std::string_view path) {
  if (!path.starts_with(root_)) return OkStatus();
  for (size_t end = root_.size(); end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part(path.substr(0, end));
    const Result<FileKind> kind = base_.KindOf(part);
    if (kind.status().Is(StatusCode::kNotFound)) return OkStatus();
    if (!kind.ok()) return kind.status();
    if (*kind == FileKind::kOther) {
      return {StatusCode::kCorruption,
              fmt::format("{}: neither a file nor a directory, which a target "
                          "never has; see where it leads, and remove it",
                          part)};
    }
  }
  return OkStatus();
}

Status MountedEnv::CheckParents(std::string_view path) {
  return CheckPlain(path.substr(0, std::min(path.rfind('/'), path.size())));
}

Result<std::unique_ptr<File>> MountedEnv::Open(const std::string& path,
                                               OpenMode mode) {
  TREFOIL_TRY(CheckPlain(path));
  return base_.Open(path, mode);
}

Result<FileInfo> MountedEnv::Stat(const std::string& path) {
  TREFOIL_TRY(CheckPlain(path));
  return base_.Stat(path);
}

Result<FileKind> MountedEnv::KindOf(const std::string& path) {
  TREFOIL_TRY(CheckParents(path));
  return base_.KindOf(path);
}

Result<std::vector<DirEntry>> MountedEnv::List(const std::string& path) {
  TREFOIL_TRY(CheckPlain(path));
  return base_.List(path);
}

Status MountedEnv::CreateDir(const std::string& path) {
  TREFOIL_TRY(CheckPlain(path));
  if (path != root_ && DirName(path) != root_) return base_.CreateDir(path);
  // Asked of the medium instead of tried: it may go away at any moment.
  if (base_.Exists(path)) {
    return {StatusCode::kAlreadyExists, path + ": exists"};
  }
  return {StatusCode::kUnavailable,
          fmt::format("not there: {} is missing (disk not plugged in?)", path)};
}

Status MountedEnv::Rename(const std::string& from, const std::string& to) {
  TREFOIL_TRY(CheckPlain(from));
  TREFOIL_TRY(CheckParents(to));
  return base_.Rename(from, to);
}

Status MountedEnv::Link(const std::string& from, const std::string& to) {
  TREFOIL_TRY(CheckPlain(from));
  TREFOIL_TRY(CheckParents(to));
  return base_.Link(from, to);
}

Status MountedEnv::Remove(const std::string& path) {
  TREFOIL_TRY(CheckParents(path));
  return base_.Remove(path);
}

Status MountedEnv::RemoveDir(const std::string& path) {
  TREFOIL_TRY(CheckParents(path));
  return base_.RemoveDir(path);
}

Status MountedEnv::SyncDir(const std::string& path) {
  TREFOIL_TRY(CheckPlain(path));
  return base_.SyncDir(path);
}

Result<std::unique_ptr<FileLock>> MountedEnv::Lock(const std::string& path) {
  return base_.Lock(path);
}

Result<SpaceInfo> MountedEnv::Space(const std::string& path) {
  return base_.Space(path);
}

}  // namespace trefoil
