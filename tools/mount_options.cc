// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_options.h"

#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "tools/duration.h"

namespace trefoil {
namespace {

constexpr uint64_t kMinJournalBytes = 256ULL << 20;
constexpr uint64_t kMaxJournalBytes = 1ULL << 40;
constexpr int64_t kMaxCommitIntervalSeconds = 3600;

// For mount(8), systemd and other filesystems; nothing to do here.
constexpr std::string_view kIgnored[] = {
    "_netdev",       "nofail",   "auto",        "noauto",     "user",
    "nouser",        "users",    "nousers",     "owner",      "noowner",
    "group",         "nogroup",  "defaults",    "relatime",   "norelatime",
    "strictatime",   "lazytime", "nolazytime",  "silent",     "loud",
    "nostrictatime", "iversion", "noiversion",  "mand",       "nomand",
    "atime",         "noatime",  "diratime",    "nodiratime", "rw",
    "async",         "exec",     "nosymfollow",
};
constexpr std::string_view kIgnoredPrefixes[] = {
    "x-", "X-", "comment=", "subtype=", "fsname="};
// For the kernel, through libfuse.
constexpr std::string_view kKernel[] = {"noexec", "sync", "dirsync"};

struct Switch {
  std::string_view name;
  bool MountSettings::*setting;
  bool value;
};
constexpr Switch kSwitches[] = {
    {"remount", &MountSettings::remount, true},
    {"nonempty", &MountSettings::nonempty, true},
};
struct FuseSwitch {
  std::string_view name;
  bool FuseOptions::*setting;
  bool value;
};
constexpr FuseSwitch kFuseSwitches[] = {
    {"ro", &FuseOptions::read_only, true},
    {"rw", &FuseOptions::read_only, false},
    {"suid", &FuseOptions::suid, true},
    {"nosuid", &FuseOptions::suid, false},
    {"dev", &FuseOptions::dev, true},
    {"nodev", &FuseOptions::dev, false},
    {"allow_other", &FuseOptions::allow_other, true},
    {"noallow_other", &FuseOptions::allow_other, false},
    {"default_permissions", &FuseOptions::default_permissions, true},
    {"acl", &FuseOptions::acls, true},
    {"noacl", &FuseOptions::acls, false},
};

template <class Range>
bool Contains(const Range& range, std::string_view text) {
  return std::find(std::begin(range), std::end(range), text) != std::end(range);
}

bool IsIgnored(std::string_view option) {
  if (Contains(kIgnored, option)) return true;
  return std::any_of(std::begin(kIgnoredPrefixes), std::end(kIgnoredPrefixes),
                     [&](std::string_view prefix) {
                       return option.substr(0, prefix.size()) == prefix;
                     });
}

// True when `option` was one without a value.
bool AddSwitch(std::string_view option, MountSettings* settings) {
  for (const FuseSwitch& known : kFuseSwitches) {
    if (known.name != option) continue;
    settings->fuse.*known.setting = known.value;
    return true;
  }
  for (const Switch& known : kSwitches) {
    if (known.name != option) continue;
    settings->*known.setting = known.value;
    return true;
  }
  if (!Contains(kKernel, option)) return false;
  settings->fuse.kernel_options.emplace_back(option);
  return true;
}

Status Bad(std::string_view option, std::string_view expected) {
  return {StatusCode::kInvalidArgument,
          fmt::format("option '{}': expected {}", option, expected)};
}

Status AddCommitInterval(std::string_view option, std::string_view value,
                         MountSettings* settings) {
  const std::optional<int64_t> seconds = ParseDuration(value);
  if (!seconds || *seconds < 1 || *seconds > kMaxCommitIntervalSeconds) {
    return Bad(option, "a duration from 1s to 1h");
  }
  settings->commit_interval_seconds = *seconds;
  return OkStatus();
}

Status AddJournalSize(std::string_view option, std::string_view value,
                      MountSettings* settings) {
  const std::optional<uint64_t> bytes = ParseSize(value);
  if (!bytes || *bytes < kMinJournalBytes || *bytes > kMaxJournalBytes) {
    return Bad(option, "a size from 256M to 1T");
  }
  settings->journal_capacity_bytes = *bytes;
  return OkStatus();
}

Status AddSnapdir(std::string_view option, std::string_view value,
                  MountSettings* settings) {
  if (value != "visible" && value != "hidden") {
    return Bad(option, "snapdir=visible or snapdir=hidden");
  }
  settings->snapshots_visible = value == "visible";
  return OkStatus();
}

Status AddPath(std::string_view option, std::string_view value,
               std::string* path) {
  if (value.empty() || value[0] != '/') return Bad(option, "an absolute path");
  *path = value;
  return OkStatus();
}

Status AddOption(std::string_view option, bool sloppy,
                 MountSettings* settings) {
  if (option.empty() || AddSwitch(option, settings) || IsIgnored(option)) {
    return OkStatus();
  }
  const size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos
                                     ? std::string_view()
                                     : option.substr(equals + 1);
  if (name == "commit_interval") {
    return AddCommitInterval(option, value, settings);
  }
  if (name == "journal_size") return AddJournalSize(option, value, settings);
  if (name == "snapdir") return AddSnapdir(option, value, settings);
  if (name == "credentials_file") {
    return AddPath(option, value, &settings->credentials_file);
  }
  if (name == "passphrase_file") {
    return AddPath(option, value, &settings->secret.passphrase_file);
  }
  if (name == "key_command") {
    if (value.empty()) return Bad(option, "a command");
    settings->secret.key_command = value;
    return OkStatus();
  }
  if (name == "log_file") return AddPath(option, value, &settings->log_file);
  if (sloppy) return OkStatus();
  return {StatusCode::kInvalidArgument,
          fmt::format("option '{}' is not known", option)};
}

}  // namespace

Status AddMountOptions(const std::string& text, bool sloppy,
                       MountSettings* settings) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    TREFOIL_TRY(AddOption(rest.substr(0, comma), sloppy, settings));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return OkStatus();
}

unsigned long MountFlags(const MountSettings& settings) {
  unsigned long flags = MS_NOATIME;
  if (settings.fuse.read_only) flags |= MS_RDONLY;
  if (!settings.fuse.suid) flags |= MS_NOSUID;
  if (!settings.fuse.dev) flags |= MS_NODEV;
  for (const std::string& option : settings.fuse.kernel_options) {
    if (option == "noexec") flags |= MS_NOEXEC;
    if (option == "sync") flags |= MS_SYNCHRONOUS;
    if (option == "dirsync") flags |= MS_DIRSYNC;
  }
  return flags;
}

std::optional<uint64_t> ParseSize(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  constexpr std::string_view kUnits = "KMGT";
  unsigned shift = 0;
  if (unit.size() == 1 && kUnits.find(unit[0]) != std::string_view::npos) {
    shift = 10 * (static_cast<unsigned>(kUnits.find(unit[0])) + 1);
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  if (shift != 0 && value >> (64 - shift) != 0) return std::nullopt;
  return value << shift;
}

}  // namespace trefoil
