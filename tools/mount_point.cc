// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_point.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "fs/fuse/mount_table.h"
#include "tools/report.h"

namespace trefoil {
namespace {

// Mounts that were stacked on each other by mistake are few.
constexpr int kStaleMountsMax = 16;

struct FreeText {
  void operator()(char* p) const { std::free(p); }  // NOLINT(*-no-malloc)
};

bool Resolve(const std::string& path, std::string* out) {
  const std::unique_ptr<char, FreeText> real(realpath(path.c_str(), nullptr));
  if (real != nullptr) *out = real.get();
  return real != nullptr;
}

Status RemoveStaleMounts(const std::string& path) {
  for (int i = 0; i < kStaleMountsMax; ++i) {
    TREFOIL_ASSIGN(const auto table, ReadMountTable());
    const std::optional<MountTableEntry> top = FindMount(table, path);
    if (!top) return OkStatus();
    const bool ours = top->type == kFuseTypeName;
    if (ours && !MountAnswers(path)) {
      TREFOIL_TRY(Unmount(path, /*lazily=*/true));
      Warn(fmt::format("{}: took away the mount of a daemon that had died",
                       path));
      continue;
    }
    return {StatusCode::kBusy,
            ours ? fmt::format("{0}: {1} is mounted there already: 'trefoil "
                               "umount {0}' first, or choose another directory",
                               path, top->source)
                 : fmt::format("{}: a filesystem of type {} is mounted there: "
                               "choose another directory",
                               path, top->type)};
  }
  return {StatusCode::kBusy,
          fmt::format("{}: too many dead mounts on each other", path)};
}

Status CheckEmpty(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()),
                                                closedir);
  if (dir == nullptr) return Status::FromErrno(errno, path);
  while (const dirent* entry = readdir(dir.get())) {  // NOLINT(*-mt-unsafe)
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: not empty (there is '{}'): a mount would hide "
                        "that; move it away or choose another directory",
                        path, name)};
  }
  return OkStatus();
}

}  // namespace

Result<std::string> CanonicalPath(const std::string& path) {
  std::string real;
  if (Resolve(path, &real)) return real;
  if (errno != ENOTCONN && errno != ECONNABORTED) {
    return Status::FromErrno(errno, path);
  }
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  const size_t slash = trimmed.rfind('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                          : trimmed.substr(0, slash);
  if (!Resolve(parent, &real)) return Status::FromErrno(errno, parent);
  if (real == "/") real.clear();
  const size_t start = slash == std::string::npos ? 0 : slash + 1;
  return real + "/" + trimmed.substr(start);
}

Result<std::string> PrepareMountpoint(const std::string& mountpoint,
                                      bool nonempty) {
  const Result<std::string> canonical = CanonicalPath(mountpoint);
  if (canonical.status().Is(StatusCode::kNotFound)) {
    return Status(
        StatusCode::kNotFound,
        fmt::format("{0}: no such directory: 'mkdir {0}' first", mountpoint));
  }
  if (!canonical.ok()) return canonical.status();
  TREFOIL_TRY(RemoveStaleMounts(*canonical));
  struct stat st {};
  if (stat(canonical->c_str(), &st) != 0) {
    return Status::FromErrno(errno, *canonical);
  }
  if (!S_ISDIR(st.st_mode)) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: not a directory", *canonical));
  }
  if (!nonempty) TREFOIL_TRY(CheckEmpty(*canonical));
  return *canonical;
}

}  // namespace trefoil
