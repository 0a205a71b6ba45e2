// SPDX-License-Identifier: Apache-2.0
#include "replicator/target_opener.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "fs/base/bytes.h"
#include "replicator/store/open_target.h"
#include "replicator/target_state.h"

namespace trefoil {

Result<std::unique_ptr<ObjectStore>> OpenVolumeTarget(
    const TargetSettings& target, const std::string& credentials_file,
    const VolumeId& volume_id, World world, std::shared_ptr<CancelToken> cancel,
    const RetryLimits& limits) {
  TargetConfig config;
  config.retry.attempts_max = limits.attempts_max;
  config.retry.time_max = limits.time_max;
  config.http.connect_timeout = limits.connect_timeout;
  config.http.stall_timeout = limits.stall_timeout;
  config.name = target.name;
  config.url = target.url;
  TREFOIL_ASSIGN(config.options, ParseTargetOptions(target.options));
  if (!credentials_file.empty()) {
    config.options.credentials_file = credentials_file;
  }
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(target.url));
  if (url.kind == TargetKind::kDir) {
    TREFOIL_ASSIGN(const DirTargetId id, ReadDirTargetId(world.env, url.path));
    if (id.volume_id != ToHex({volume_id.data(), volume_id.size()})) {
      return Status(StatusCode::kUnavailable,
                    fmt::format("not there: the disk at {} is a target of "
                                "another volume ({})",
                                url.path, id.volume_id));
    }
    config.expected_id = id;
  }
  return OpenTarget(config, world.env, world.clock, world.random,
                    std::move(cancel));
}

TargetDisk DiskOf(ObjectStore& store) {
  const auto* dir = dynamic_cast<DirStore*>(&store);
  if (dir == nullptr || !dir->expected()) return {};
  return {dir->expected()->target_id, dir->expected()->label};
}

SpaceInfo SpaceOf(ObjectStore& store) {
  auto* dir = dynamic_cast<DirStore*>(&store);
  if (dir == nullptr) return {};
  const auto space = dir->Space();
  return space.ok() ? *space : SpaceInfo();
}

bool IsAnotherDisk(ObjectStore& store, const TargetSettings& target, Env& env) {
  const auto* dir = dynamic_cast<DirStore*>(&store);
  const auto url = ParseTargetUrl(target.url);
  if (dir == nullptr || !dir->expected() || !url.ok()) return false;
  const auto id = ReadDirTargetId(env, url->path);
  return id.ok() && *id != *dir->expected();
}

Status CheckNotForgotten(Env& env, const std::string& volume_path,
                         const TargetSettings& target, ObjectStore& store) {
  const TargetDisk disk = DiskOf(store);
  if (disk.id.empty()) return OkStatus();
  const auto forgotten = ForgottenDisks(env, volume_path, target.name);
  if (std::find(forgotten.begin(), forgotten.end(), disk.id) ==
      forgotten.end()) {
    return OkStatus();
  }
  return {StatusCode::kUnavailable,
          fmt::format("not there: the disk at {} ({}{}{}) was forgotten; "
                      "'trefoil target adopt' makes it one of the target's "
                      "again",
                      target.url, disk.id, disk.label.empty() ? "" : " ",
                      disk.label)};
}

std::string DiskIn(const TargetSettings& target, Env& env) {
  const auto url = ParseTargetUrl(target.url);
  if (!url.ok() || url->kind != TargetKind::kDir) return "";
  const auto id = ReadDirTargetId(env, url->path);
  return id.ok() ? id->target_id : "";
}

Status TidyTarget(ObjectStore& store) {
  auto* dir = dynamic_cast<DirStore*>(&store);
  return dir == nullptr ? OkStatus() : dir->RemoveTemporaries();
}

Result<int64_t> GraceOf(const TargetSettings& target) {
  constexpr int64_t kNanosPerMinute = 60'000'000'000;
  constexpr int64_t kDefaultMinutes = 60;
  constexpr int64_t kMaxMinutes = 366 * 24 * 60;
  const auto option = target.options.find("grace_minutes");
  if (option == target.options.end()) return kDefaultMinutes * kNanosPerMinute;
  const std::string& text = option->second;
  int64_t minutes = -1;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), minutes);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      minutes < 0 || minutes > kMaxMinutes) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("target {}: grace_minutes must be a whole number "
                              "from 0 to {}",
                              target.name, kMaxMinutes));
  }
  return minutes * kNanosPerMinute;
}

bool StoreDecides(const TargetSettings& target) {
  if (IsRemovable(target)) return true;
  const auto option = target.options.find("conditional_put");
  return option != target.options.end() &&
         (option->second == "true" || option->second == "yes");
}

bool IsRemovable(const TargetSettings& target) {
  const auto url = ParseTargetUrl(target.url);
  return url.ok() && url->kind == TargetKind::kDir;
}

}  // namespace trefoil
