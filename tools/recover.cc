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
#include "tools/recover_source.h"
#include "tools/report.h"
#include "tools/secret_source.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

struct RecoverArguments {
  std::vector<std::string> from;
  std::string volume;
  bool full = false;
  uint64_t at_least = 0;
  bool no_key_file = false;
  std::string at;
  TargetArguments target;
  SecretArguments secret;
};

void SetPoint(const std::string& at, RecoverOptions* options) {
  const auto point = ParsePointInTime(at);
  if (!point) return;  // the option's check leaves only none at all
  if (point->commit) options->at_seq = CommitSeq(*point->commit);
  options->at_nanos = point->wall_nanos;
}

struct Outcome {
  std::string place;  // that it came from
  Recovered recovered;
};

Result<Outcome> Recover(const RecoverArguments& arguments) {
  RecoverOptions options;
  SetPoint(arguments.at, &options);
  SourceBounds bounds{.newest = options.at_seq};
  if (arguments.at_least > 0) bounds.at_least = CommitSeq(arguments.at_least);
  TREFOIL_ASSIGN(
      RecoverSource source,
      ChooseSource(arguments.from, arguments.target, arguments.secret, bounds));
  options.secret = std::move(source.secret);
  options.keep_key_file = !arguments.no_key_file;
  options.strangers = source.head.strangers;
  options.others = std::move(source.others);
  options.other_targets = std::move(source.other_settings);
  ProgressLine line;
  options.full = arguments.full;
  options.progress = [&](uint64_t done, uint64_t total) {
    line.Show(done, total,
              fmt::format("{} of {}", FormatBytes(done), FormatBytes(total)));
  };
  TREFOIL_ASSIGN(Recovered recovered,
                 RecoverVolume(RealWorld(), *source.store, source.settings,
                               arguments.volume, options));
  return Outcome{source.head.place, std::move(recovered)};
}

void PrintLost(const std::vector<LostFile>& files) {
  constexpr size_t kMostNamed = 100;
  for (const LostFile& file : files) {
    Warn(OneLine(
        fmt::format("{}: damaged in every copy: {}", file.path, file.reason)));
  }
  Warn(
      fmt::format("{}{} files are not whole; everything else is there. Another "
                  "copy of the volume may have what they lack: add it with "
                  "'trefoil target add' once the volume is mounted",
                  files.size() < kMostNamed ? "" : "at least ", files.size()));
}

std::string RecoverAdvice(const std::string& volume, const Status& error) {
  const std::string advice = SecretAdvice(error);
  if (!advice.empty()) return advice;
  const bool was_begun = Env::Posix().Exists(JoinPath(volume, "recovering"));
  if (!was_begun || error.Is(StatusCode::kAlreadyExists)) {
    return TargetAdvice(error);
  }
  return fmt::format(
      "what was fetched stays in {}: the same command goes on from there",
      volume);
}

int RunRecover(RecoverArguments arguments) {
  arguments.volume = AbsolutePath(arguments.volume);
  const Result<Outcome> recovered = Recover(arguments);
  if (!recovered.ok()) {
    return Fail("recover", recovered.status(),
                RecoverAdvice(arguments.volume, recovered.status()));
  }
  const bool later = FindHydration(Env::Posix(), arguments.volume).has_value();
  Print(fmt::format(
      "{0}: recovered from {1}, detached{2}\nnext: trefoil mount {0} "
      "MOUNTPOINT to look at it; trefoil takeover {0} to put it into service",
      arguments.volume, recovered->place,
      later ? "; file data come when they are read, and in the background "
              "while it is mounted"
            : ""));
  if (!recovered->recovered.lost_files.empty()) {
    PrintLost(recovered->recovered.lost_files);
    return kExitError;
  }
  if (!arguments.full || !later) return kExitOk;
  Warn(
      "not everything could be fetched: a copy stopped answering, or answered "
      "otherwise the second time; the mounted volume goes on with it");
  return kExitError;
}

struct TakeoverArguments {
  std::string volume;
  std::string credentials_file;
  bool force = false;
  SecretArguments secret;
};

Result<TakenOver> Takeover(const TakeoverArguments& arguments) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return Status(
        StatusCode::kBusy,
        fmt::format("{}: mounted; 'trefoil umount' it first", location.volume));
  }
  TREFOIL_ASSIGN(const auto secret,
                 SecretOfVolume(arguments.secret, location.volume));
  return TakeOver(RealWorld(), location.volume,
                  {.secret = secret.get(),
                   .credentials_file = arguments.credentials_file,
                   .give_up_newer = arguments.force});
}

int RunTakeover(const TakeoverArguments& arguments) {
  const auto taken = Takeover(arguments);
  if (!taken.ok()) {
    return Fail("takeover", taken.status(), SecretAdvice(taken.status()));
  }
  for (const std::string& left : taken->left) {
    Warn(
        fmt::format("not taken over: target {}; another owner may still ship "
                    "there: repeat the takeover when it can be reached",
                    left));
  }
  Print(fmt::format(
      "{}: owns its copies from the next mount on; another machine that still "
      "has this volume will stop shipping",
      AbsolutePath(arguments.volume)));
  return kExitOk;
}

}  // namespace

void AddRecoverCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<RecoverArguments>();
  CLI::App* recover = trefoil.add_subcommand(
      "recover", "Make a new volume from one copy alone");
  recover
      ->add_option("--from", arguments->from,
                   "The copy: dir:/path or s3+https://host/bucket[/prefix]; "
                   "of several the newest is taken")
      ->type_name("URL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->required();
  recover
      ->add_option("--at-least", arguments->at_least,
                   "Refuse a copy whose newest commit is older than this one")
      ->type_name("COMMIT");
  recover
      ->add_option("VOLUME", arguments->volume,
                   "A directory that is empty or not there yet")
      ->required();
  recover->add_flag("--full", arguments->full,
                    "Fetch everything before returning");
  recover->add_flag("--no-key-file", arguments->no_key_file,
                    "Keep no key in VOLUME: every mount needs a secret");
  AddCopySecretOptions(recover, &arguments->secret);
  recover
      ->add_option("--at", arguments->at,
                   "The state of this commit or time, not the newest")
      ->check(CheckPointInTime)
      ->type_name("TIME");
  AddTargetOptions(recover, &arguments->target);
  recover->callback([=] { *action = [=] { return RunRecover(*arguments); }; });
}

void AddTakeoverCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<TakeoverArguments>();
  CLI::App* takeover = trefoil.add_subcommand(
      "takeover", "Let a recovered volume own and ship to its copies");
  takeover->add_option("VOLUME", arguments->volume, "The recovered volume")
      ->required();
  takeover->add_flag("--force", arguments->force,
                     "Give up what a target's owner wrote since the recovery");
  takeover
      ->add_option("--credentials-file", arguments->credentials_file,
                   "A file like ~/.aws/credentials")
      ->type_name("FILE");
  AddSecretOptions(takeover, &arguments->secret);
  takeover->callback(
      [=] { *action = [=] { return RunTakeover(*arguments); }; });
}

}  // namespace trefoil
