// SPDX-License-Identifier: Apache-2.0
// trefoil target: the places where the copies are, on VOLUME or where it is
// mounted. The daemon of a mounted volume makes the change itself.
#include <fmt/format.h>

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/volume/identity.h"
#include "fs/volume/volume_lock.h"
#include "replicator/store/target_url.h"
#include "replicator/target_change.h"
#include "replicator/target_state.h"
#include "tools/block_device.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/report.h"
#include "tools/status_text.h"
#include "tools/target_arguments.h"
#include "tools/target_changes.h"
#include "tools/volume_client.h"
#include "tools/volume_status.h"
#include "tools/world.h"

namespace trefoil {
namespace {

// The daemon tries out a target, or waits for what is under way at one.
constexpr int64_t kChangeTimeoutNanos = 300'000'000'000;
// Three copies, the primary among them.
constexpr size_t kTargetsWanted = 2;

struct Arguments {
  std::string volume;
  std::string name;
  std::string url;
  std::string label;
  std::string disk;
  bool later = false;
  bool same_disk = false;
  bool force = false;
  bool json = false;
  TargetArguments target;
  SecretArguments secret;
};

// An unmounted disk's mountpoint lies on one of these, too.
Status CheckOwnDisk(const std::string& dir, const std::string& volume,
                    bool same_disk) {
  if (same_disk || (!OnSameDisk(dir, volume) && !OnSameDisk(dir, "/"))) {
    return OkStatus();
  }
  return {StatusCode::kPreconditionFailed,
          fmt::format("{} is on the disk of the volume or of the system: is "
                      "the right disk mounted there? --same-disk takes it as "
                      "it is",
                      dir)};
}

Result<VolumeObject> ObjectOf(const std::string& volume) {
  LocalTree objects(Env::Posix(), JoinPath(volume, "objects"));
  return ReadVolumeObject(objects);
}

// By the daemon, or here where there is none.
struct Changed {
  VolumeLocation location;
  bool is_mounted = false;
  Json result;
};
Result<Changed> Change(
    const std::string& volume_or_mountpoint, const std::string& method,
    const Json& params,
    const std::function<Result<Json>(TargetChanges&)>& at_rest) {
  Changed changed;
  TREFOIL_ASSIGN(changed.location, FindVolume(volume_or_mountpoint));
  const std::string& volume = changed.location.volume;
  const auto client = ControlClient::Connect(volume);
  if (client.ok()) {
    changed.is_mounted = true;
    TREFOIL_ASSIGN(changed.result,
                   (*client)->Call(method, params, kChangeTimeoutNanos));
    return changed;
  }
  if (!client.status().Is(StatusCode::kUnavailable)) return client.status();
  TREFOIL_ASSIGN(const auto lock, LockVolume(Env::Posix(), volume));
  TREFOIL_ASSIGN(const VolumeObject object, ObjectOf(volume));
  TargetChanges changes({RealWorld(), volume, object.volume_id, ""}, nullptr);
  TREFOIL_ASSIGN(changed.result, at_rest(changes));
  return changed;
}

void AdviseNewKit(const std::string& volume) {
  const auto object = ObjectOf(volume);
  if (!object.ok() || !object->encrypted) return;
  Print(
      fmt::format("a recovery kit names the targets: make and print a new one, "
                  "'trefoil key recovery-kit {} FILE'",
                  volume));
}

Status Add(const Arguments& arguments) {
  TREFOIL_ASSIGN(const TargetSettings settings,
                 ToSettings(arguments.name, arguments.url, arguments.target));
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(settings.url));
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  if (url.kind == TargetKind::kDir && !arguments.later) {
    TREFOIL_TRY(CheckOwnDisk(url.path, location.volume, arguments.same_disk));
  }
  const Json params = {{"name", settings.name},
                       {"url", settings.url},
                       {"options", settings.options},
                       {"later", arguments.later}};
  TREFOIL_ASSIGN(const Changed changed,
                 Change(arguments.volume, "target-add", params,
                        [&](TargetChanges& changes) {
                          return changes.Add(settings, arguments.later);
                        }));
  Print(OneLine(fmt::format("{}: {}", settings.name, settings.url)));
  Print(OneLine("  " + TextField(changed.result, "can")));
  TREFOIL_ASSIGN(const VolumeConfig config,
                 LoadConfig(Env::Posix(), changed.location.volume));
  if (arguments.later && url.kind == TargetKind::kDir) {
    Print(fmt::format("when its disk is there: trefoil target adopt {} {}",
                      ShellWord(arguments.volume), settings.name));
  } else if (config.detached) {
    Print(
        "the volume was recovered: it ships nothing before 'trefoil takeover'");
  } else {
    Print(changed.is_mounted
              ? fmt::format("it gets everything that the volume holds now: "
                            "'trefoil status {}' shows how far it is",
                            ShellWord(arguments.volume))
              : "it gets everything when the volume is mounted");
  }
  AdviseNewKit(changed.location.volume);
  return OkStatus();
}

// What a target that was removed still holds, and what to do.
std::string LeftBehind(const Json& removed) {
  const std::string url = TextField(removed, "url");
  const auto parsed = ParseTargetUrl(url);
  const bool is_dir = parsed.ok() && parsed->kind == TargetKind::kDir;
  const uint64_t disks = CountField(removed, "disks");
  return fmt::format(
      "what it holds stays there{}: {} objects, {}; to delete it by hand{}: {}",
      disks > 1 ? fmt::format(", on {} disks", disks) : "",
      CountField(removed, "objects"), FormatBytes(CountField(removed, "bytes")),
      disks > 1 ? ", on each disk" : "",
      is_dir ? "rm -r -- " + ShellWord(parsed->path)
             : "everything below " + url + ", with the store's own tools");
}

void PrintCopiesLeft(const Json& left) {
  std::string text = "copies left: primary";
  bool is_offsite = false;
  for (const Json& target : left) {
    const auto url = ParseTargetUrl(TextField(target, "url"));
    const bool is_dir = url.ok() && url->kind == TargetKind::kDir;
    is_offsite = is_offsite || !is_dir;
    text += fmt::format(", {} ({})", TextField(target, "name"),
                        is_dir ? "second medium" : "offsite");
  }
  Print(OneLine(text));
  if (left.size() < kTargetsWanted || !is_offsite) {
    Warn(fmt::format("{} of three copies are left, {} of them offsite",
                     left.size() + 1, is_offsite ? "one" : "none"));
  }
}

Status Remove(const Arguments& arguments) {
  const Json params = {{"name", arguments.name}, {"force", arguments.force}};
  TREFOIL_ASSIGN(const Changed changed,
                 Change(arguments.volume, "target-remove", params,
                        [&](TargetChanges& changes) {
                          return changes.Remove(arguments.name,
                                                arguments.force);
                        }));
  Print(OneLine(fmt::format("{}: no target any more", arguments.name)));
  Print(OneLine(LeftBehind(changed.result)));
  PrintCopiesLeft(NestedField(changed.result, "left"));
  AdviseNewKit(changed.location.volume);
  return OkStatus();
}

Status List(const Arguments& arguments) {
  TREFOIL_ASSIGN(const Json status,
                 StatusOf(arguments.volume, arguments.secret));
  const std::string text = arguments.json
                               ? JsonText(NestedField(status, "copies")) + "\n"
                               : TargetsText(status);
  fmt::print("{}", text);
  return OkStatus();
}

Result<TargetUrl> DirOf(const std::string& volume, const std::string& name) {
  TREFOIL_ASSIGN(const VolumeConfig config, LoadConfig(Env::Posix(), volume));
  for (const TargetSettings& target : config.targets) {
    if (target.name != name) continue;
    TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(target.url));
    if (url.kind == TargetKind::kDir) return url;
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{} ({}) is no disk", name, target.url));
  }
  return Status(StatusCode::kNotFound, "no target is named " + name);
}

Status CheckLabel(const std::string& label) {
  if (label.size() <= kMaxDiskLabelBytes && OneLine(label) == label) {
    return OkStatus();
  }
  return {StatusCode::kInvalidArgument, "a label is at most 64 bytes of text"};
}

Status Adopt(const Arguments& arguments) {
  TREFOIL_TRY(CheckLabel(arguments.label));
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  TREFOIL_ASSIGN(const TargetUrl url, DirOf(location.volume, arguments.name));
  TREFOIL_TRY(CheckOwnDisk(url.path, location.volume, arguments.same_disk));
  TREFOIL_ASSIGN(const VolumeObject object, ObjectOf(location.volume));
  const VolumeId& id = object.volume_id;
  TREFOIL_ASSIGN(
      const DirTargetId disk,
      InitDirTarget(
          Env::Posix(), url.path, ToHex({id.data(), id.size()}),
          RealWorld().random, arguments.label,
          ForgottenDisks(Env::Posix(), location.volume, arguments.name)));
  Print(OneLine(fmt::format("{}: disk {} at {}", arguments.name,
                            DiskName(disk.target_id, disk.label), url.path)));
  const auto client = ControlClient::Connect(location.volume);
  if (!client.ok()) {
    Print("it gets everything when the volume is mounted");
    return OkStatus();
  }
  TREFOIL_TRY((*client)
                  ->Call("target-nudge", Json::object(), kControlTimeoutNanos)
                  .status());
  Print(
      fmt::format("it gets everything now; unplug it when 'trefoil sync "
                  "--target {} {}' has returned",
                  arguments.name, ShellWord(arguments.volume)));
  return OkStatus();
}

Status Forget(const Arguments& arguments) {
  const Json params = {{"name", arguments.name}, {"disk", arguments.disk}};
  TREFOIL_ASSIGN(const Changed changed,
                 Change(arguments.volume, "target-forget", params,
                        [&](TargetChanges& changes) {
                          return changes.Forget(arguments.name, arguments.disk);
                        }));
  Print(OneLine(
      fmt::format("{}: disk {} is none of its disks any more; what is on it "
                  "stays there",
                  arguments.name,
                  DiskName(TextField(changed.result, "disk"),
                           TextField(changed.result, "label")))));
  return OkStatus();
}

int RunVerb(const std::string& name, Status (*verb)(const Arguments&),
            const Arguments& arguments) {
  const Status done = verb(arguments);
  if (done.ok()) return kExitOk;
  return Fail("target " + name, done, SecretAdvice(done));
}

CLI::App* AddVerb(CLI::App* target, const std::string& name,
                  const std::string& help, Status (*verb)(const Arguments&),
                  const std::shared_ptr<Arguments>& arguments, Action* action) {
  CLI::App* added = target->add_subcommand(name, help);
  added
      ->add_option("VOLUME", arguments->volume,
                   "The volume, or where it is mounted")
      ->required();
  if (verb != List) {
    added->add_option("NAME", arguments->name, "The target's name")->required();
  }
  added->callback(
      [=] { *action = [=] { return RunVerb(name, verb, *arguments); }; });
  return added;
}

void AddSameDisk(CLI::App* verb, Arguments* arguments) {
  verb->add_flag("--same-disk", arguments->same_disk,
                 "Take a directory on the disk of the volume or the system");
}

}  // namespace

void AddTargetCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* target = trefoil.add_subcommand(
      "target", "Add and remove the places where the copies are");
  target->require_subcommand(1);

  CLI::App* add = AddVerb(target, "add", "Add a target and fill it", Add,
                          arguments, action);
  add->add_option("URL", arguments->url,
                  "dir:/path or s3+https://host[:port]/bucket[/prefix]")
      ->required();
  add->add_flag("--later", arguments->later,
                "Don't look at the place now: it can't be reached yet");
  AddSameDisk(add, arguments.get());
  AddTargetOptions(add, &arguments->target);

  CLI::App* remove =
      AddVerb(target, "remove", "Ship nothing to a target any more", Remove,
              arguments, action);
  remove->add_flag("--force", arguments->force,
                   "Remove the last target, too, or one that data are missing "
                   "from here");

  CLI::App* list =
      AddVerb(target, "list", "Show the targets and what they hold", List,
              arguments, action);
  list->add_flag("--json", arguments->json, "Print JSON");
  AddSecretOptions(list, &arguments->secret);

  CLI::App* adopt =
      AddVerb(target, "adopt",
              "Make the empty disk at a target's place one of its disks", Adopt,
              arguments, action);
  adopt->add_option("--label", arguments->label,
                    "What is written on the disk, such as blue");
  AddSameDisk(adopt, arguments.get());

  CLI::App* forget =
      AddVerb(target, "forget",
              "Expect one of a target's disks, which is away, no more", Forget,
              arguments, action);
  forget
      ->add_option("DISK", arguments->disk,
                   "Its label, its id or the first digits of that, as status "
                   "shows them")
      ->required();
}

}  // namespace trefoil
