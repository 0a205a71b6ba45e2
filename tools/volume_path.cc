// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_path.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "fs/base/env.h"
#include "fs/fuse/mount_table.h"

namespace trefoil {

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return path;
  // A dead mount can't be walked: its name is taken as it was typed.
  auto real = std::filesystem::weakly_canonical(absolute, error);
  if (error) real = absolute.lexically_normal();
  std::string text = real.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

Result<VolumeLocation> FindVolume(const std::string& argument) {
  TREFOIL_ASSIGN(const auto table, ReadMountTable());
  const std::string path = AbsolutePath(argument);
  const auto mount = FindMount(table, path);
  if (mount && mount->type == kFuseTypeName) {
    return VolumeLocation{mount->source, mount->mountpoint};
  }
  const Status there =
      Env::Posix().Stat(JoinPath(path, "config.toml")).status();
  if (there.Is(StatusCode::kPermissionDenied)) return there;
  if (!there.ok()) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{}: neither a Trefoil volume nor a place where "
                              "one is mounted",
                              path));
  }
  VolumeLocation location{path, ""};
  for (const MountTableEntry& entry : table) {
    const bool ours = entry.type == kFuseTypeName && entry.source == path;
    if (ours) location.mountpoint = entry.mountpoint;
  }
  return location;
}

}  // namespace trefoil
