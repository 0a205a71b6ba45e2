// SPDX-License-Identifier: Apache-2.0
#include "tools/block_device.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <optional>

#include "fs/base/env.h"
#include "tools/volume_path.h"

namespace trefoil {
namespace {

namespace stdfs = std::filesystem;

// st_dev of `path` or of the nearest parent that is there.
std::optional<uint64_t> DeviceOf(std::string path) {
  for (;;) {
    const Result<FileInfo> info = Env::Posix().Stat(path);
    if (info.ok()) return info->device;
    const std::string parent = DirName(path);
    if (parent == path) return std::nullopt;
    path = parent;
  }
}

// Where sysfs describes the whole disk of `device`; empty for devices that are
// no disks (network filesystems, tmpfs).
std::string DiskOf(uint64_t device) {
  std::error_code error;
  const stdfs::path link =
      fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
  const stdfs::path there = stdfs::canonical(link, error);
  if (error) return "";
  const bool partition = stdfs::exists(there / "partition", error);
  return (partition ? there.parent_path() : there).string();
}

}  // namespace

bool OnSameDisk(const std::string& a, const std::string& b) {
  const auto device_a = DeviceOf(AbsolutePath(a));
  const auto device_b = DeviceOf(AbsolutePath(b));
  if (!device_a || !device_b) return false;
  if (*device_a == *device_b) return true;
  const std::string disk = DiskOf(*device_a);
  return !disk.empty() && disk == DiskOf(*device_b);
}

}  // namespace trefoil
