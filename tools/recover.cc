// SPDX-License-Identifier: Apache-2.0
// trefoil recover and trefoil takeover: a new volume from one target alone,
// and its way into service.
#include "replicator/recover.h"

#include <fmt/format.h>

#include "fs/control/client.h"
#include "fs/volume/hydration.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/point_in_time.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

struct RecoverArguments {
  std::string from;
  std::string volume;
  bool full = false;
  std::string at;
  TargetArguments target;
};

// The name of the target in the new volume's configuration.
const char* NameFor(const std::string& url) {
  return url.rfind("dir:", 0) == 0 ? "second" : "offsite";
}

Status SetPoint(const std::string& at, RecoverOptions* options) {
  if (at.empty()) return OkStatus();
  const auto point = ParsePointInTime(at);
  if (!point) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--at {}: expected a commit's number or a time (UTC) "
                        "as in '2026-11-23 14:05'",
                        at)};
  }
  if (point->commit) options->at_seq = CommitSeq(*point->commit);
  options->at_nanos = point->wall_nanos;
  return OkStatus();
}

Status Recover(const RecoverArguments& arguments) {
  TREFOIL_ASSIGN(
      const TargetSettings settings,
      ToSettings(NameFor(arguments.from), arguments.from, arguments.target));
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(settings));
  ProgressLine line;
  RecoverOptions options;
  options.full = arguments.full;
  TREFOIL_TRY(SetPoint(arguments.at, &options));
  options.progress = [&](uint64_t done, uint64_t total) {
    line.Show(done, total,
              fmt::format("{} of {}", FormatBytes(done), FormatBytes(total)));
  };
  return RecoverVolume(RealWorld(), *store, settings, arguments.volume,
                       options);
}

int RunRecover(RecoverArguments arguments) {
  arguments.volume = AbsolutePath(arguments.volume);
  const Status recovered = Recover(arguments);
  if (!recovered.ok()) {
    return Fail("recover", recovered, TargetAdvice(recovered));
  }
  const bool later = FindHydration(Env::Posix(), arguments.volume).has_value();
  Print(fmt::format(
      "{0}: recovered from {1}, detached{2}\nnext: trefoil mount {0} "
      "MOUNTPOINT to look at it; trefoil takeover {0} to put it into service",
      arguments.volume, arguments.from,
      later ? "; file data come when they are read, and in the background "
              "while it is mounted"
            : ""));
  return kExitOk;
}

Status Takeover(const std::string& argument) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(argument));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return {
        StatusCode::kBusy,
        fmt::format("{}: mounted; 'trefoil umount' it first", location.volume)};
  }
  return TakeOver(RealWorld(), location.volume);
}

int RunTakeover(const std::string& volume) {
  const Status taken = Takeover(volume);
  if (!taken.ok()) return Fail("takeover", taken);
  Print(fmt::format(
      "{}: owns its copies from the next mount on; another machine that still "
      "has this volume will stop shipping",
      AbsolutePath(volume)));
  return kExitOk;
}

}  // namespace

void AddRecoverCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<RecoverArguments>();
  CLI::App* recover = trefoil.add_subcommand(
      "recover", "Make a new volume from one copy alone");
  recover
      ->add_option("--from", arguments->from,
                   "The copy: dir:/path or s3+https://host/bucket[/prefix]")
      ->type_name("URL")
      ->required();
  recover
      ->add_option("VOLUME", arguments->volume,
                   "A directory that is empty or not there yet")
      ->required();
  recover->add_flag("--full", arguments->full,
                    "Fetch everything before returning");
  recover
      ->add_option("--at", arguments->at,
                   "The state of this commit or time, not the newest")
      ->type_name("TIME");
  AddTargetOptions(recover, &arguments->target);
  recover->callback([=] { *action = [=] { return RunRecover(*arguments); }; });
}

void AddTakeoverCommand(CLI::App& trefoil, Action* action) {
  const auto volume = std::make_shared<std::string>();
  CLI::App* takeover = trefoil.add_subcommand(
      "takeover", "Let a recovered volume own and ship to its copies");
  takeover->add_option("VOLUME", *volume, "The recovered volume")->required();
  takeover->callback([=] { *action = [=] { return RunTakeover(*volume); }; });
}

}  // namespace trefoil
