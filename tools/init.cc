// SPDX-License-Identifier: Apache-2.0
// trefoil init: makes a volume and its targets, or leaves nothing behind. On a
// volume that is there it completes the targets that --force had accepted
// while they could not be reached.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <list>

#include "fs/base/bytes.h"
#include "fs/volume/identity.h"
#include "replicator/target_change.h"
#include "tools/block_device.h"
#include "tools/commands.h"
#include "tools/created_tree.h"
#include "tools/init_secrets.h"
#include "tools/report.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr std::string_view kDirScheme = "dir:";
constexpr mode_t kVolumeMode = 0700;

struct InitArguments {
  std::string volume;
  std::string second;
  std::string offsite;
  bool force = false;
  TargetArguments target;
  InitSecretArguments secrets;
};

bool IsInside(const std::string& path, const std::string& directory) {
  return path == directory || path.rfind(directory + "/", 0) == 0;
}

// The directory of a `dir:` target; empty for others.
std::string DirOf(const TargetSettings& target) {
  if (target.url.rfind(kDirScheme, 0) != 0) return "";
  return AbsolutePath(target.url.substr(kDirScheme.size()));
}

Status CheckPlaces(const std::string& volume,
                   const std::vector<TargetSettings>& targets) {
  for (const TargetSettings& target : targets) {
    const std::string dir = DirOf(target);
    if (dir.empty()) continue;
    if (IsInside(dir, volume) || IsInside(volume, dir)) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{} lies in the volume, or the volume in it: a copy "
                          "belongs on another medium",
                          target.url)};
    }
  }
  if (targets.size() == 2 && targets[0].url == targets[1].url) {
    return {StatusCode::kInvalidArgument,
            fmt::format("{} is given twice: two copies belong in two places",
                        targets[0].url)};
  }
  return OkStatus();
}

Result<std::vector<TargetSettings>> PlanTargets(
    const InitArguments& arguments) {
  std::vector<TargetSettings> targets;
  const std::pair<const char*, const std::string*> given[] = {
      {"second", &arguments.second}, {"offsite", &arguments.offsite}};
  for (const auto& [name, url] : given) {
    if (url->empty()) continue;
    Result<TargetSettings> settings = ToSettings(name, *url, arguments.target);
    if (!settings.ok()) {
      return settings.status().WithContext(fmt::format("--{}", name));
    }
    targets.push_back(std::move(*settings));
  }
  TREFOIL_TRY(CheckPlaces(arguments.volume, targets));
  return targets;
}

void WarnAboutPlaces(const InitArguments& arguments,
                     const std::vector<TargetSettings>& targets) {
  for (const TargetSettings& target : targets) {
    const std::string dir = DirOf(target);
    if (dir.empty() || !OnSameDisk(dir, arguments.volume)) continue;
    Warn(
        fmt::format("{} and the volume are on the same block device: one "
                    "broken disk takes both copies",
                    target.name));
  }
  if (arguments.second.empty() || arguments.offsite.empty()) {
    Warn("three copies need --second and --offsite");
  }
}

// Prepares `targets`, those alone that were not yet. Prints how it went.
Status PrepareTargets(const std::string& volume, const VolumeId& volume_id,
                      bool force, std::vector<TargetSettings>* targets) {
  const TargetOwner owner{RealWorld(), volume, volume_id, ""};
  for (TargetSettings& target : *targets) {
    if (target.options.count(kOptionProbed) != 0) continue;
    const Result<std::string> can = PrepareTarget(owner, &target);
    if (can.ok()) {
      Print(fmt::format("{}: {}\n  {}", target.name, target.url, *can));
      continue;
    }
    if (!force || !MayPassLater(can.status())) {
      return can.status().WithContext(target.name);
    }
    Warn(fmt::format("{} accepted as it is (--force): {}", target.name,
                     can.status().message()));
  }
  return OkStatus();
}

Result<VolumeId> ReadVolumeId(const std::string& volume) {
  LocalTree objects(Env::Posix(), JoinPath(volume, "objects"));
  TREFOIL_ASSIGN(const VolumeObject object, ReadVolumeObject(objects));
  return object.volume_id;
}

Status Make(const InitArguments& arguments,
            const std::vector<TargetSettings>& targets, InitSecrets* secrets) {
  Env& env = Env::Posix();
  // Undone in the order of destruction: nothing is left of a failed init.
  CreatedTree made_volume(env, arguments.volume);
  std::list<CreatedTree> made_targets;
  for (const TargetSettings& target : targets) {
    const std::string dir = DirOf(target);
    if (!dir.empty()) made_targets.emplace_back(env, dir);
  }
  TREFOIL_TRY(Volume::Format(RealWorld(), arguments.volume, secrets->format()));
  if (chmod(arguments.volume.c_str(), kVolumeMode) != 0) {
    return Status::FromErrno(errno, "chmod " + arguments.volume);
  }
  TREFOIL_ASSIGN(const VolumeId id, ReadVolumeId(arguments.volume));
  VolumeConfig config;
  config.targets = targets;
  TREFOIL_TRY(
      PrepareTargets(arguments.volume, id, arguments.force, &config.targets));
  TREFOIL_TRY(SaveConfig(env, arguments.volume, config));
  TREFOIL_TRY(secrets->WriteKit(id, config));
  made_volume.Keep();
  for (CreatedTree& made : made_targets) made.Keep();
  secrets->Keep();
  Print(fmt::format("volume {} made in {}\nnext: trefoil mount {} MOUNTPOINT",
                    ToHex({id.data(), id.size()}), arguments.volume,
                    arguments.volume));
  return OkStatus();
}

bool IsPending(const TargetSettings& configured, const TargetSettings& given) {
  return configured.name == given.name && configured.url == given.url &&
         configured.options.count(kOptionProbed) == 0;
}

// What --force left for later, on a volume that is there.
Status Complete(const InitArguments& arguments,
                const std::vector<TargetSettings>& targets) {
  Env& env = Env::Posix();
  TREFOIL_ASSIGN(VolumeConfig config, LoadConfig(env, arguments.volume));
  const bool all_pending =
      !targets.empty() &&
      std::all_of(targets.begin(), targets.end(), [&](const auto& given) {
        return std::any_of(
            config.targets.begin(), config.targets.end(),
            [&](const auto& target) { return IsPending(target, given); });
      });
  if (!all_pending) {
    return {StatusCode::kAlreadyExists,
            fmt::format("{}: is a volume already; nothing was changed",
                        arguments.volume)};
  }
  TREFOIL_ASSIGN(const VolumeId id, ReadVolumeId(arguments.volume));
  TREFOIL_TRY(
      PrepareTargets(arguments.volume, id, arguments.force, &config.targets));
  const auto take = [&](VolumeConfig* present) {
    for (TargetSettings& target : present->targets) {
      for (const TargetSettings& prepared : config.targets) {
        if (IsPending(target, prepared)) target = prepared;
      }
    }
    return OkStatus();
  };
  return ChangeConfig(env, arguments.volume, take);
}

int RunInit(InitArguments arguments) {
  arguments.volume = AbsolutePath(arguments.volume);
  const Result<std::vector<TargetSettings>> targets = PlanTargets(arguments);
  const Status usage =
      targets.ok() ? CheckSecretArguments(arguments.secrets, arguments.volume)
                   : targets.status();
  if (!usage.ok()) {
    static_cast<void>(Fail("init", usage));
    return kExitUsage;
  }
  const bool there =
      Env::Posix().Exists(JoinPath(arguments.volume, "config.toml"));
  if (!there) WarnAboutPlaces(arguments, *targets);
  std::unique_ptr<InitSecrets> secrets;
  if (!there) {
    auto gathered = InitSecrets::Gather(arguments.secrets);
    if (!gathered.ok()) return Fail("init", gathered.status());
    secrets = std::move(*gathered);
  }
  const Status made = there ? Complete(arguments, *targets)
                            : Make(arguments, *targets, secrets.get());
  if (made.ok()) return kExitOk;
  std::string advice = TargetAdvice(made);
  if (!there && !targets->empty() && MayPassLater(made)) {
    advice += "; --force accepts a target for later";
  }
  return Fail("init", made, advice);
}

}  // namespace

void AddInitCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<InitArguments>();
  CLI::App* init = trefoil.add_subcommand(
      "init", "Make a volume, and the places for its copies");
  init->add_option("VOLUME", arguments->volume,
                   "A directory that is empty or not there yet")
      ->required();
  init->add_option("--second", arguments->second,
                   "The copy on a second medium: dir:/path")
      ->type_name("URL");
  init->add_option("--offsite", arguments->offsite,
                   "The offsite copy: s3+https://host[:port]/bucket[/prefix]")
      ->type_name("URL");
  init->add_flag("--force", arguments->force,
                 "Accept a target that can't be reached now");
  AddInitSecretOptions(init, &arguments->secrets);
  AddTargetOptions(init, &arguments->target);
  init->callback([=] { *action = [=] { return RunInit(*arguments); }; });
}

}  // namespace trefoil
