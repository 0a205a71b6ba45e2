// SPDX-License-Identifier: Apache-2.0
#include "fs/base/env.h"

#include <fmt/format.h>

#include <cerrno>

namespace trefoil {

Status Env::CreateDirs(const std::string& path) {
  Result<FileInfo> info = Stat(path);
  if (info.ok()) {
    if (info->is_directory) return OkStatus();
    return {StatusCode::kAlreadyExists, path + ": not a directory"};
  }
  if (!info.status().Is(StatusCode::kNotFound)) return info.status();
  const std::string parent = DirName(path);
  if (parent != path && parent != ".") TREFOIL_TRY(CreateDirs(parent));
  Status created = CreateDir(path);
  // Somebody else may have created it meanwhile.
  if (created.Is(StatusCode::kAlreadyExists)) return OkStatus();
  return created;
}

Result<FileKind> Env::KindOf(const std::string& path) {
  TREFOIL_ASSIGN(const FileInfo info, Stat(path));
  return info.is_directory ? FileKind::kDirectory : FileKind::kFile;
}

Status Env::RemoveTree(const std::string& path) {
  const Result<FileKind> kind = KindOf(path);
  if (kind.status().Is(StatusCode::kNotFound)) return OkStatus();
  if (!kind.ok()) return kind.status();
  if (*kind != FileKind::kDirectory) return Remove(path);
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, List(path));
  for (const DirEntry& entry : entries) {
    const std::string child = JoinPath(path, entry.name);
    TREFOIL_TRY(entry.is_directory ? RemoveTree(child) : Remove(child));
  }
  return RemoveDir(path);
}

bool Env::Exists(const std::string& path) {
  const Status found = Stat(path).status();
  return !found.Is(StatusCode::kNotFound) && found.posix_errno() != ENOTDIR;
}

Result<std::string> Env::ReadFile(const std::string& path, uint64_t max_bytes) {
  TREFOIL_ASSIGN(const std::unique_ptr<File> file, Open(path, OpenMode::kRead));
  TREFOIL_ASSIGN(const uint64_t size, file->Size());
  if (size > max_bytes) {
    return Status(StatusCode::kCorruption,
                  fmt::format("{}: has {} bytes, more than the {} expected",
                              path, size, max_bytes));
  }
  std::string content(size, '\0');
  TREFOIL_ASSIGN(const size_t got, file->ReadAt(0, content));
  content.resize(got);
  return content;
}

Status Env::WriteFileAtomically(const std::string& path,
                                std::string_view data) {
  const std::string temporary = path + ".tmp";
  {
    auto file = Open(temporary, OpenMode::kCreateExclusive);
    if (file.status().Is(StatusCode::kAlreadyExists)) {
      // A leftover; or, on a disk that others write too, a link to elsewhere.
      TREFOIL_TRY(Remove(temporary));
      file = Open(temporary, OpenMode::kCreateExclusive);
    }
    TREFOIL_TRY(file.status());
    TREFOIL_TRY((*file)->WriteAt(0, data));
    TREFOIL_TRY((*file)->Sync());
  }
  TREFOIL_TRY(Rename(temporary, path));
  return SyncDir(DirName(path));
}

std::string JoinPath(std::string_view dir, std::string_view name) {
  if (dir.empty()) return std::string(name);
  std::string path(dir);
  if (path.back() != '/') path.push_back('/');
  path.append(name);
  return path;
}

std::string DirName(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  if (last == std::string_view::npos) return "/";
  return std::string(path.substr(0, last + 1));
}

}  // namespace trefoil
