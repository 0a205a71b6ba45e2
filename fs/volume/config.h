// SPDX-License-Identifier: Apache-2.0
// VOLUME/config.toml (man/trefoil.toml.5): the volume's settings for people:
// targets and tunables. The volume's identity is not here but in its volume
// object (identity.h).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/env.h"
#include "fs/base/status.h"

namespace trefoil {

struct TargetSettings {
  std::string
      name;  // "second", "offsite", ...: lower-case letters, digits, '-'
  std::string url;
  // Further keys of the target's table, as written (region, path_style,
  // profile, ca_file, and what init found out: conditional_put ...).
  std::map<std::string, std::string> options;
};

struct VolumeConfig {
  std::vector<TargetSettings> targets;
  uint64_t journal_capacity_bytes = 4ULL << 30;
  int64_t commit_interval_seconds = 5;
  // Where a mount finds its secret instead of in the key file; at most one is
  // set.
  std::string key_command;
  std::string passphrase_file;
  // Every object of every copy is verified within so many days; 0: never.
  int64_t scrub_days = 30;
  uint64_t scrub_bytes_per_second = 32ULL << 20;
  // Read of each target that is no directory.
  uint64_t scrub_offsite_bytes_per_day = 10ULL << 30;
  // Set by recover, cleared by takeover: ships nothing, owns nothing.
  bool detached = false;
};

// kInvalidArgument or kCorruption with file, line and what was expected.
Result<VolumeConfig> LoadConfig(Env& env, const std::string& volume_path);
// The text itself, for the parser's tests; `path` is for messages.
Result<VolumeConfig> ParseConfig(const std::string& text,
                                 const std::string& path);
std::string ConfigToToml(const VolumeConfig& config);
Status SaveConfig(Env& env, const std::string& volume_path,
                  const VolumeConfig& config);
// `change` gets what the file says now, and what it makes of that is written,
// all or nothing. One change at a time, by any process: kBusy when another one
// takes too long.
Status ChangeConfig(Env& env, const std::string& volume_path,
                    const std::function<Status(VolumeConfig*)>& change);

// kInvalidArgument when no target can have this name.
Status CheckTargetName(std::string_view name);

}  // namespace trefoil
