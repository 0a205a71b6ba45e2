// SPDX-License-Identifier: Apache-2.0
// trefoil drill: recovers files from one copy alone and compares them with the
// volume; the '0 errors' of 3-2-1-1-0.
#include <fmt/format.h>

#include <algorithm>

#include "fs/verify/scratch.h"
#include "tools/commands.h"
#include "tools/drill_run.h"
#include "tools/duration.h"
#include "tools/point_in_time.h"
#include "tools/report.h"
#include "tools/signal_watch.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr int kExitFailed = 3;
constexpr uint64_t kMaxSample = 1'000'000;
constexpr const char* kAll = "all";

struct DrillArguments {
  std::string volume;
  std::string target = kAll;
  uint64_t sample = 100;
  bool all = false;
  std::optional<uint64_t> seed;
  std::string snapshot;
  std::string at;
  std::string scratch;
  std::string report;
  std::string wait = "10m";
  std::string credentials_file;
  SecretArguments secret;
};

std::string KindName(const Secret& secret, bool given) {
  switch (secret.kind) {
    case Secret::Kind::kNone:
      return "nothing: it is not encrypted";
    case Secret::Kind::kPassphrase:
      return "a passphrase";
    case Secret::Kind::kRecoveryKey:
      return "a recovery key";
    case Secret::Kind::kVolumeKey:
      return given ? "the volume key that a key command printed"
                   : "the key file of the primary";
  }
  return "";
}

// The secret that opens the copy: what opens the volume does.
Status FindSecret(const SecretArguments& arguments, DrillOptions* options) {
  const std::string& volume = options->location.volume;
  TREFOIL_ASSIGN(const auto given, SecretOfVolume(arguments, volume));
  if (given != nullptr) {
    options->secret = *given;
  } else {
    auto key = ReadKeyFile(Env::Posix(), KeyFilePath(volume));
    if (key.ok()) {
      options->secret = std::move(*key);
    } else if (!key.status().Is(StatusCode::kNotFound)) {
      return key.status();
    }
  }
  options->opened_with = KindName(options->secret, given != nullptr);
  return OkStatus();
}

Result<std::vector<TargetSettings>> FindTargets(const std::string& volume,
                                                const std::string& name) {
  TREFOIL_ASSIGN(const VolumeConfig config, LoadConfig(Env::Posix(), volume));
  std::vector<TargetSettings> targets;
  for (const TargetSettings& target : config.targets) {
    if (name == kAll || name == target.name) targets.push_back(target);
  }
  if (!targets.empty()) return targets;
  return Status(StatusCode::kNotFound,
                fmt::format("{}: it has no target{}", volume,
                            name == kAll ? "" : " " + name));
}

void SetPoint(const std::string& at, DrillOptions* options) {
  if (at.empty()) return;
  const auto point = ParsePointInTime(at);
  TREFOIL_CHECK(point.has_value());  // the option's check
  if (point->commit) options->at_seq = CommitSeq(*point->commit);
  options->at_nanos = point->wall_nanos;
}

Result<DrillOptions> ToOptions(const DrillArguments& arguments) {
  DrillOptions options;
  TREFOIL_ASSIGN(options.location, FindVolume(arguments.volume));
  LocalTree objects(Env::Posix(), JoinPath(options.location.volume, "objects"));
  TREFOIL_ASSIGN(const VolumeObject object, ReadVolumeObject(objects));
  options.volume_id = object.volume_id;
  options.credentials_file = arguments.credentials_file;
  options.secret_arguments = arguments.secret;
  TREFOIL_TRY(FindSecret(arguments.secret, &options));
  options.snapshot = arguments.snapshot;
  SetPoint(arguments.at, &options);
  options.all = arguments.all;
  options.sample = arguments.sample;
  // A number that people can repeat.
  constexpr uint64_t kSeeds = 1'000'000'000;
  options.seed = arguments.seed.value_or(Random::System().Next64() % kSeeds);
  options.scratch = arguments.scratch.empty() ? ScratchParent(Env::Posix())
                                              : AbsolutePath(arguments.scratch);
  options.wait_seconds = ParseDuration(arguments.wait).value_or(0);
  options.cancel = std::make_shared<CancelToken>();
  return options;
}

// Drills, says and writes what came of it. kNotDone also when it can't be
// written.
DrillVerdict DrillTarget(const DrillOptions& options,
                         const std::string& directory) {
  const DrillReport report = RunDrill(options);
  if (options.cancel->cancelled()) {
    static_cast<void>(Fail("drill", {StatusCode::kUnavailable, "stopped"}));
    return DrillVerdict::kNotDone;
  }
  Print(OneLine(fmt::format("{}: {}: {}", report.target,
                            VerdictName(Judge(report)), Conclusion(report))));
  const auto written = WriteReport(Env::Posix(), report, directory);
  if (!written.ok()) {
    static_cast<void>(Fail("drill", written.status()));
    return std::max(DrillVerdict::kNotDone, Judge(report));
  }
  Print("report: " + *written);
  return Judge(report);
}

Result<DrillVerdict> DrillAll(const DrillArguments& arguments) {
  TREFOIL_ASSIGN(DrillOptions options, ToOptions(arguments));
  TREFOIL_ASSIGN(const auto targets,
                 FindTargets(options.location.volume, arguments.target));
  const std::string drills = DrillsPath(options.location.volume);
  TREFOIL_TRY(Env::Posix().CreateDirs(drills));
  const auto lock = Env::Posix().Lock(JoinPath(drills, "lock"));
  TREFOIL_TRY(lock.status().WithContext("another drill of this volume runs"));
  const SignalWatch watch([&](int) { options.cancel->Cancel(); });
  const std::string directory =
      arguments.report.empty() ? drills : AbsolutePath(arguments.report);
  DrillVerdict worst = DrillVerdict::kPassed;
  for (const TargetSettings& target : targets) {
    if (options.cancel->cancelled()) break;
    options.target = target;
    worst = std::max(worst, DrillTarget(options, directory));
  }
  return worst;
}

int RunDrillCommand(const DrillArguments& arguments) {
  HoldEndSignals();
  const auto verdict = DrillAll(arguments);
  if (!verdict.ok()) {
    return Fail("drill", verdict.status(), SecretAdvice(verdict.status()));
  }
  switch (*verdict) {
    case DrillVerdict::kPassed:
      return kExitOk;
    case DrillVerdict::kNotDone:
      return kExitError;
    case DrillVerdict::kFailed:
      return kExitFailed;
  }
  return kExitError;
}

std::string CheckWait(const std::string& text) {
  return ParseDuration(text)
             ? ""
             : text + ": not a duration such as 90s, 5m, 2h or 1d";
}

}  // namespace

void AddDrillCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<DrillArguments>();
  CLI::App* drill = trefoil.add_subcommand(
      "drill", "Prove that files come back from one copy alone");
  drill
      ->add_option("VOLUME", arguments->volume,
                   "The volume, or where it is mounted")
      ->required();
  drill
      ->add_option("--target", arguments->target,
                   "The copy's name, or all, one after the other")
      ->type_name("NAME")
      ->capture_default_str();
  CLI::Option* sample =
      drill
          ->add_option("--sample", arguments->sample,
                       "Recover so many files, drawn at random")
          ->type_name("N")
          ->check(CLI::Range(uint64_t{1}, kMaxSample))
          ->capture_default_str();
  drill->add_flag("--all", arguments->all, "Recover everything")
      ->excludes(sample);
  drill->add_option("--seed", arguments->seed, "Repeat the choice of a report")
      ->type_name("N");
  CLI::Option* snapshot =
      drill
          ->add_option("--snapshot", arguments->snapshot,
                       "Compare this snapshot instead of the live tree")
          ->type_name("NAME");
  drill
      ->add_option("--at", arguments->at,
                   "Recover the state of this commit or time, not the newest")
      ->type_name("TIME")
      ->check(CheckPointInTime)
      ->excludes(snapshot);
  drill
      ->add_option("--scratch", arguments->scratch,
                   "Where the recovered files go meanwhile")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  drill
      ->add_option("--report", arguments->report,
                   "Where the reports go, instead of VOLUME/drills")
      ->type_name("DIR");
  drill
      ->add_option("--wait", arguments->wait,
                   "How long the copy of a mounted volume may take to catch "
                   "up first")
      ->type_name("DURATION")
      ->check(CheckWait)
      ->capture_default_str();
  drill
      ->add_option("--credentials-file", arguments->credentials_file,
                   "A file like ~/.aws/credentials")
      ->type_name("FILE");
  AddSecretOptions(drill, &arguments->secret);
  drill->callback(
      [=] { *action = [=] { return RunDrillCommand(*arguments); }; });
}

}  // namespace trefoil
