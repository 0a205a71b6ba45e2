// SPDX-License-Identifier: Apache-2.0
#include "replicator/target_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "fs/base/bytes.h"
#include "fs/volume/hydration.h"
#include "replicator/store/dir_store.h"
#include "replicator/store/probe.h"
#include "replicator/store/target_url.h"
#include "replicator/target_opener.h"
#include "replicator/target_state.h"

namespace trefoil {
namespace {

// Somebody waits for the command.
constexpr RetryLimits kPatience{.attempts_max = 3,
                                .time_max = std::chrono::seconds(15),
                                .connect_timeout = std::chrono::seconds(5),
                                .stall_timeout = std::chrono::seconds(30)};

std::string IdHex(const VolumeId& id) { return ToHex({id.data(), id.size()}); }

// A volume ships into an empty place, or where it has shipped before.
Status CheckNotForeign(ObjectStore& store, const VolumeId& volume_id) {
  for (const char* kind :
       {"volume/", "checkpoint/", "commit/", "owner/", "pack/"}) {
    std::string first;
    TREFOIL_TRY(store.List(kind, "", [&](const ObjectInfo& info) {
      first = info.key;
      return false;
    }));
    if (first.empty()) continue;
    TREFOIL_ASSIGN(const std::string bytes,
                   store.Get(first, {0, kHeaderBytes}, kHeaderBytes));
    const auto header = DecodeObjectHeader(bytes);
    // A damaged object of our own is not another volume.
    const bool may_be_ours = header.ok() ? header->volume_id == volume_id
                                         : !first.starts_with("volume/");
    if (may_be_ours) continue;
    return {StatusCode::kAlreadyExists,
            fmt::format("{}: holds the copy of another volume{}; choose "
                        "another place, or 'trefoil recover --from' it",
                        store.Describe(),
                        header.ok() ? " (" + IdHex(header->volume_id) + ")"
                                    : " (" + first + ")")};
  }
  return OkStatus();
}

bool IsInside(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

Status InUse(const TargetSettings& other, const std::string& what) {
  return {
      StatusCode::kAlreadyExists,
      fmt::format("{} is target {} of this volume already", what, other.name)};
}

// No target of this name or place is among `targets`.
Status CheckUnused(const std::vector<TargetSettings>& targets,
                   const TargetSettings& added) {
  for (const TargetSettings& other : targets) {
    if (other.name == added.name) {
      return {StatusCode::kAlreadyExists,
              fmt::format("there is a target {} already ({}); choose another "
                          "name, or remove it first",
                          other.name, other.url)};
    }
    const auto url = ParseTargetUrl(other.url);
    if ((url.ok() ? url->ToString() : other.url) == added.url) {
      return InUse(other, added.url);
    }
  }
  return OkStatus();
}

// By its id: links and bind mounts give one disk many paths.
Status CheckOwnDisk(const TargetOwner& owner,
                    const std::vector<TargetSettings>& targets,
                    const TargetSettings& added) {
  const std::string disk = DiskIn(added, owner.world.env);
  if (disk.empty()) return OkStatus();
  for (const TargetSettings& other : targets) {
    if (other.name != added.name && DiskIn(other, owner.world.env) == disk) {
      return InUse(other, "the disk at " + added.url);
    }
  }
  return OkStatus();
}

// A bucket has no id: two names of its server are found out by trying. Of a
// target that does not answer now nothing is said.
Status CheckOwnBucket(const TargetOwner& owner,
                      const std::vector<TargetSettings>& targets,
                      const TargetSettings& added) {
  const auto open = [&](const TargetSettings& target) {
    return OpenVolumeTarget(target, owner.credentials_file, owner.volume_id,
                            owner.world, owner.cancel, kPatience);
  };
  if (IsRemovable(added)) return OkStatus();
  TREFOIL_ASSIGN(const auto store, open(added));
  for (const TargetSettings& other : targets) {
    if (IsRemovable(other)) continue;
    const auto there = open(other);
    if (!there.ok()) continue;
    TREFOIL_ASSIGN(const bool same,
                   IsSamePlace(*store, **there, owner.world.random));
    if (same) return InUse(other, "the bucket at " + added.url);
  }
  return OkStatus();
}

Status CheckSettings(const TargetOwner& owner, const TargetSettings& added) {
  TREFOIL_TRY(CheckTargetName(added.name));
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(added.url));
  TREFOIL_ASSIGN(const TargetOptions options,
                 ParseTargetOptions(added.options));
  TREFOIL_TRY(CheckTransport(url, options));
  TREFOIL_TRY(GraceOf(added).status());
  if (url.kind != TargetKind::kDir) return OkStatus();
  const std::string& volume = owner.volume_path;
  if (!IsInside(url.path, volume) && !IsInside(volume, url.path)) {
    return OkStatus();
  }
  return {StatusCode::kInvalidArgument,
          fmt::format("{} lies in the volume, or the volume in it: a copy "
                      "belongs on another medium",
                      added.url)};
}

// What an earlier target of the name left is forgotten. The claims that this
// volume made anywhere are its own, should it have shipped to this place before
// (O9).
Status BeginState(const TargetOwner& owner,
                  const std::vector<TargetSettings>& others,
                  const TargetSettings& added) {
  Env& env = owner.world.env;
  TREFOIL_TRY(ForgetTarget(env, owner.volume_path, added.name));
  TargetState state;
  state.status.name = added.name;
  state.status.url = added.url;
  state.status.state = "unknown";
  for (const TargetSettings& other : others) {
    const auto known =
        LoadTargetState(env, TargetStatePath(owner.volume_path, other.name));
    if (!known.ok()) continue;
    for (const ClaimName& claim : known->claims) state.AddClaim(claim);
  }
  return SaveTargetState(env, TargetStatePath(owner.volume_path, added.name),
                         state);
}

}  // namespace

Result<std::string> PrepareTarget(const TargetOwner& owner,
                                  TargetSettings* settings) {
  const World& world = owner.world;
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(settings->url));
  if (url.kind == TargetKind::kDir) {
    TREFOIL_TRY(
        InitDirTarget(world.env, url.path, IdHex(owner.volume_id), world.random)
            .status());
  }
  TREFOIL_ASSIGN(
      const std::unique_ptr<ObjectStore> store,
      OpenVolumeTarget(*settings, owner.credentials_file, owner.volume_id,
                       world, owner.cancel, kPatience));
  TREFOIL_TRY(CheckNotForeign(*store, owner.volume_id));
  TREFOIL_ASSIGN(const TargetCapabilities can,
                 ProbeTarget(*store, world.random));
  settings->options[kOptionConditionalPut] =
      can.conditional_put ? "true" : "false";
  settings->options[kOptionProbed] = FormatUtc(world.clock.WallNanos());
  return can.ToString();
}

bool MayPassLater(const Status& error) {
  switch (error.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kTimedOut:
    case StatusCode::kPermissionDenied:
    case StatusCode::kNotFound:
    case StatusCode::kNoSpace:
    case StatusCode::kIoError:
    case StatusCode::kReadOnly:
      return true;
    default:
      return false;
  }
}

Result<std::string> AddToConfig(const TargetOwner& owner, bool later,
                                TargetSettings* settings) {
  Env& env = owner.world.env;
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(settings->url));
  settings->url = url.ToString();
  TREFOIL_TRY(CheckSettings(owner, *settings));
  TREFOIL_ASSIGN(VolumeConfig before, LoadConfig(env, owner.volume_path));
  TREFOIL_TRY(CheckUnused(before.targets, *settings));
  TREFOIL_TRY(CheckOwnDisk(owner, before.targets, *settings));
  std::string can = "not looked at yet";
  if (!later) {
    TREFOIL_ASSIGN(can, PrepareTarget(owner, settings));
    TREFOIL_TRY(CheckOwnBucket(owner, before.targets, *settings));
  }
  TREFOIL_TRY(BeginState(owner, before.targets, *settings));
  TREFOIL_TRY(
      ChangeConfig(env, owner.volume_path, [&](VolumeConfig* config) -> Status {
        TREFOIL_TRY(CheckUnused(config->targets, *settings));
        config->targets.push_back(*settings);
        return OkStatus();
      }));
  return can;
}

Result<RemovedTarget> RemoveFromConfig(const TargetOwner& owner,
                                       const std::string& name, bool force) {
  RemovedTarget result;
  const auto remove = [&](VolumeConfig* config) -> Status {
    auto& targets = config->targets;
    const auto found = std::find_if(
        targets.begin(), targets.end(),
        [&](const TargetSettings& target) { return target.name == name; });
    if (found == targets.end()) {
      return {StatusCode::kNotFound, "no target is named " + name};
    }
    if (!force && targets.size() == 1) {
      return {StatusCode::kPreconditionFailed,
              fmt::format("{} is the last target: the primary would be the "
                          "only copy; add another one first, or insist with "
                          "--force",
                          name)};
    }
    if (!force && FindHydration(owner.world.env, owner.volume_path)) {
      return {StatusCode::kPreconditionFailed,
              "the volume was recovered and does not have all of its data yet, "
              "which its targets have; wait until 'trefoil status' shows it "
              "whole, or insist with --force"};
    }
    result.removed = *found;
    targets.erase(found);
    result.left = targets;
    return OkStatus();
  };
  TREFOIL_TRY(ChangeConfig(owner.world.env, owner.volume_path, remove));
  return result;
}

}  // namespace trefoil
