// SPDX-License-Identifier: Apache-2.0
// What is mounted where, as this process sees it (/proc/self/mountinfo), and
// taking mounts away. Thread rule: free functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/status.h"

namespace trefoil {

struct MountTableEntry {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string mountpoint;
  std::string type;    // "fuse.trefoil"
  std::string source;  // the volume's path for ours
};

inline constexpr std::string_view kFuseTypeName = "fuse.trefoil";

// In the order of mounting. Lines that make no sense are left out.
std::vector<MountTableEntry> ParseMountTable(std::string_view mountinfo);
Result<std::vector<MountTableEntry>> ReadMountTable();
// A process that sees a mount, and where.
struct MountUser {
  int pid = 0;
  std::string command;
  std::string mountpoint;
};
// One that still has the filesystem of `mount`, which is no longer where it
// was: in a mount namespace of its own, or because it is mounted on another
// directory too. Nothing when there is none, or none that may be looked at.
std::optional<MountUser> FindMountUser(const MountTableEntry& mount);
// The uppermost mount at exactly `path` (absolute, without symlinks).
std::optional<MountTableEntry> FindMount(
    const std::vector<MountTableEntry>& table, std::string_view path);

// False when the process behind the mount at `path` has died. Asks the mount
// itself: attributes, which the kernel caches, would answer for the dead.
bool MountAnswers(const std::string& path);

// umount2(2) or, where that is not permitted, fusermount3. With `lazily` the
// name goes at once and the mount with the last file open in it.
Status Unmount(const std::string& mountpoint, bool lazily);

}  // namespace trefoil
