// SPDX-License-Identifier: Apache-2.0
// The options of -o, as mount(8) and fstab(5) write them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/status.h"
#include "fs/fuse/session.h"
#include "tools/secret_source.h"

namespace trefoil {

struct MountSettings {
  // All but fsname. `allow_other` is for whoever mounts to preset.
  FuseOptions fuse;
  bool remount = false;   // change the flags of a mount that stands
  bool nonempty = false;  // hide what the mountpoint holds
  bool snapshots_visible = false;
  std::optional<int64_t> commit_interval_seconds;
  std::optional<uint64_t> journal_capacity_bytes;
  std::string credentials_file;
  SecretArguments secret;
  std::string log_file;
};

// Adds the comma-separated options of `text`. kInvalidArgument names the first
// one that is unknown (unless `sloppy`) or whose value makes no sense. Options
// that are for mount(8) or systemd alone are accepted and ignored.
Status AddMountOptions(const std::string& text, bool sloppy,
                       MountSettings* settings);
// The same settings as flags of mount(2).
unsigned long MountFlags(const MountSettings& settings);
// Bytes of "64M", "4G" or "1048576"; nothing for anything else.
std::optional<uint64_t> ParseSize(std::string_view text);

}  // namespace trefoil
