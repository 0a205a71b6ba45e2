// SPDX-License-Identifier: Apache-2.0
// trefoil fsck: checks a volume or one target's tree, and repairs it from other
// copies when that is asked for.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <utility>

#include "fs/control/client.h"
#include "fs/object/verified_ledger.h"
#include "fs/verify/repair.h"
#include "fs/volume/config.h"
#include "fs/volume/identity.h"
#include "fs/volume/volume_lock.h"
#include "replicator/copy_store.h"
#include "replicator/store/target_url.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/secret_source.h"
#include "tools/signal_watch.h"
#include "tools/state_file.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/watermark_check.h"
#include "tools/world.h"

namespace trefoil {
namespace {

struct FsckArguments {
  std::string place;
  bool read_data = false;
  bool json = false;
  bool repair = false;
  bool quiet = false;
  bool restart = false;
  std::string state_file;       // empty: the usual one
  unsigned sample_percent = 0;  // 0: no sample
  std::vector<std::string> from;
  TargetArguments target;
  SecretArguments secret;
};

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

bool IsUrl(const std::string& place) {
  return place.rfind("dir:", 0) == 0 || place.rfind("s3+", 0) == 0;
}

int FailFsck(const Status& error, std::string_view next = "") {
  static_cast<void>(Fail("fsck", error, next));
  return kFsckOperational;
}

Json ReportToJson(const std::string& place, const VerifyReport& report) {
  Json json = Json::object();
  json["place"] = place;
  json["clean"] = report.clean();
  json["objects"] = report.objects;
  json["bytes"] = report.bytes;
  json["commits"] = report.commits;
  json["files"] = report.files;
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings) {
    Json entry = Json::object();
    entry["severity"] = SeverityName(finding.severity);
    entry["code"] = finding.code;
    entry["where"] = finding.where;
    entry["text"] = finding.text;
    if (!finding.also.empty()) entry["also"] = finding.also;
    json["findings"].push_back(std::move(entry));
  }
  return json;
}

void PrintReport(const std::string& place, const VerifyReport& report) {
  for (const Finding& finding : report.findings) {
    Print(OneLine(fmt::format("{}: {}: {}: {}", SeverityName(finding.severity),
                              finding.code, finding.where, finding.text)));
    for (const std::string& path : finding.also) {
      Print(OneLine("  also: " + path));
    }
  }
  Print(OneLine(fmt::format("{}: {}: {} objects, {}, {} commits, {} files",
                            place, report.clean() ? "clean" : "NOT CLEAN",
                            report.objects, FormatBytes(report.bytes),
                            report.commits, report.files)));
}

void AddRepairs(const RepairReport& report, Json* json) {
  (*json)["repaired"] = Json::array();
  for (const RepairedObject& object : report.repaired) {
    (*json)["repaired"].push_back(
        {{"object", object.key}, {"from", object.from}});
  }
  (*json)["quarantined"] = Json::array();
  for (const QuarantinedObject& object : report.quarantined) {
    (*json)["quarantined"].push_back(
        {{"object", object.key}, {"now", object.now}});
  }
  (*json)["index_set_aside"] = report.index_set_aside;
  (*json)["watermark_reset"] = report.watermark_reset;
}

void PrintRepairs(const RepairReport& report) {
  for (const RepairedObject& object : report.repaired) {
    Print(
        OneLine(fmt::format("repaired: {}: from {}", object.key, object.from)));
  }
  for (const QuarantinedObject& object : report.quarantined) {
    Print(OneLine(
        fmt::format("quarantined: {}: is {} now", object.key, object.now)));
  }
  if (report.watermark_reset) {
    Print("watermark: forgotten; the next mount finds out what the target has");
  }
  if (report.index_set_aside) {
    Print("index: set aside as index.damaged; the next opening rebuilds it");
  }
}

// OK when nobody has the volume open.
Status CheckNotMounted(const VolumeLocation& location) {
  const auto client = ControlClient::Connect(location.volume);
  if (client.status().Is(StatusCode::kUnavailable) &&
      location.mountpoint.empty()) {
    return OkStatus();
  }
  return {StatusCode::kBusy,
          fmt::format(
              "{}: mounted{}", location.volume,
              location.mountpoint.empty() ? "" : " at " + location.mountpoint)};
}

// The volume's own targets, as far as its configuration can be read.
ObjectCopies CopiesOf(const std::string& volume,
                      const TargetArguments& arguments) {
  const auto config = LoadConfig(Env::Posix(), volume);
  LocalTree objects(Env::Posix(), JoinPath(volume, "objects"));
  const auto object = ReadVolumeObject(objects);
  if (!config.ok() || !object.ok()) return {};
  return OpenCopies(RealWorld(), *config, object->volume_id,
                    arguments.credentials_file, nullptr);
}

// A copy that was named with --from.
Result<ObjectCopy> CopyFrom(const std::string& place,
                            const TargetArguments& target) {
  if (IsUrl(place)) {
    TREFOIL_ASSIGN(const TargetSettings settings,
                   ToSettings("", place, target));
    TREFOIL_ASSIGN(std::unique_ptr<ObjectStore> store,
                   OpenForCommand(settings));
    return ObjectCopy{place, std::move(store)};
  }
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(place));
  return ObjectCopy{
      place, std::make_shared<LocalTree>(Env::Posix(),
                                         JoinPath(location.volume, "objects"))};
}

Result<RepairReport> OnlyCheck(Result<VerifyReport> report) {
  if (!report.ok()) return report.status();
  RepairReport only;
  only.left = std::move(*report);
  return only;
}

// What the volume says of its targets, where there is a report to add that to.
Result<RepairReport> WithWatermarks(Result<RepairReport> report,
                                    const std::string& volume, bool repair,
                                    const ObjectCopies& targets) {
  if (!report.ok()) return report;
  const auto lock = LockVolume(Env::Posix(), volume);
  if (!lock.ok()) return lock.status();
  for (Finding& finding : CheckWatermarks(Env::Posix(), volume, targets, repair,
                                          &report->watermark_reset)) {
    report->left.findings.push_back(std::move(finding));
  }
  return report;
}

// Where to remember what was verified: nowhere unless every byte is read. A
// file that somebody named is not replaced unless it is a state; the usual one
// is nobody else's.
Status SetStateFile(const FsckArguments& arguments, const std::string& usual,
                    VerifyOptions* options) {
  if (!arguments.read_data) return OkStatus();
  options->state_file =
      arguments.state_file.empty() ? usual : arguments.state_file;
  if (options->state_file.empty()) return OkStatus();
  if (!arguments.state_file.empty() &&
      !VerifiedLedger::MayBeOne(Env::Posix(), options->state_file)) {
    return {StatusCode::kInvalidArgument,
            options->state_file +
                ": is there, and not the state of a check; name another file"};
  }
  if (!arguments.restart) return OkStatus();
  const Status removed = Env::Posix().Remove(options->state_file);
  return removed.Is(StatusCode::kNotFound) ? OkStatus() : removed;
}

// A check that came to its end has nothing to continue.
Result<RepairReport> Ended(Result<RepairReport> report,
                           const VerifyOptions& options) {
  if (report.ok() && !options.state_file.empty()) {
    static_cast<void>(Env::Posix().Remove(options.state_file));
  }
  return report;
}

Result<RepairReport> CheckVolume(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.place));
  TREFOIL_TRY(CheckNotMounted(location));
  TREFOIL_ASSIGN(options.secret,
                 SecretOfVolume(arguments.secret, location.volume));
  TREFOIL_TRY(SetStateFile(arguments, JoinPath(location.volume, "fsck.state"),
                           &options));
  const ObjectCopies targets = CopiesOf(location.volume, arguments.target);
  options.copies.insert(options.copies.end(), targets.begin(), targets.end());
  auto report =
      arguments.repair
          ? RepairVolume(RealWorld(), location.volume, options)
          : OnlyCheck(VerifyVolume(RealWorld(), location.volume, options));
  report = WithWatermarks(std::move(report), location.volume, arguments.repair,
                          targets);
  return Ended(std::move(report), options);
}

// Disks may take turns at one path.
std::optional<DirTargetId> DiskAt(const TargetSettings& settings) {
  const auto url = ParseTargetUrl(settings.url);
  if (!url.ok() || url->kind != TargetKind::kDir) return std::nullopt;
  auto id = ReadDirTargetId(Env::Posix(), url->path);
  return id.ok() ? std::optional(std::move(*id)) : std::nullopt;
}

// Of a URL; empty, and a warning, where none can be kept.
std::string UsualStateOf(const FsckArguments& arguments) {
  if (!arguments.read_data || !arguments.state_file.empty()) return "";
  const auto file = UsualStateFile("fsck", arguments.place);
  if (file.ok()) return *file;
  Warn(
      fmt::format("{}: when it is interrupted, this check begins anew; name "
                  "a file with --state",
                  file.status().message()));
  return "";
}

Result<RepairReport> CheckTarget(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const TargetSettings settings,
                 ToSettings("", arguments.place, arguments.target));
  const auto disk = DiskAt(settings);
  if (disk) options.place_id = disk->target_id;
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(settings, disk));
  TREFOIL_ASSIGN(Secret secret, SecretOfCopy(arguments.secret, *store));
  if (secret.kind != Secret::Kind::kNone) {
    options.secret = std::make_shared<const Secret>(std::move(secret));
  }
  TREFOIL_TRY(SetStateFile(arguments, UsualStateOf(arguments), &options));
  auto report = arguments.repair
                    ? RepairStore(RealWorld(), *store, options)
                    : OnlyCheck(VerifyStore(RealWorld(), *store, options));
  return Ended(std::move(report), options);
}

// Requests to a store wait for each other's answers; a disk is kept busy, and
// not made to seek, by a few readers.
unsigned ReadersOf(const std::string& place) {
  constexpr unsigned kOfStore = 8;
  constexpr unsigned kOfDisk = 4;
  return place.rfind("s3+", 0) == 0 ? kOfStore : kOfDisk;
}

// Commits are small and packs are large: how fast the ones are read says
// nothing of the others.
void ShowProgress(const FsckArguments& arguments, const CheckProgress& progress,
                  ProgressLine* line) {
  const bool reads_packs = arguments.read_data || arguments.sample_percent > 0;
  const uint64_t done = progress.done_bytes;
  const uint64_t total = progress.total_bytes;
  const std::string text = "checking " + arguments.place;
  if (progress.phase == CheckPhase::kTree) {
    line->Show(done, total, text + ": comparing");
  } else if (progress.phase == CheckPhase::kCommits && reads_packs) {
    line->Show(done, total, text + ": commits");
  } else {
    line->ShowRate(done, total, text);
  }
}

Result<RepairReport> Check(const FsckArguments& arguments,
                           const std::atomic<bool>& interrupted) {
  ProgressLine line(ProgressLine::Elsewhere::kLines);
  VerifyOptions options;
  options.read_data = arguments.read_data || arguments.sample_percent > 0;
  if (arguments.sample_percent > 0) {
    options.sample_percent = arguments.sample_percent;
  }
  options.readers = ReadersOf(arguments.place);
  options.stop = [&interrupted] { return interrupted.load(); };
  if (!arguments.json && !arguments.quiet) {
    options.progress = [&, shown = CheckPhase::kCommits](
                           const CheckProgress& progress) mutable {
      if (progress.phase != std::exchange(shown, progress.phase)) {
        line.RestartRate();
      }
      ShowProgress(arguments, progress, &line);
    };
  }
  for (const std::string& place : arguments.from) {
    TREFOIL_ASSIGN(ObjectCopy copy, CopyFrom(place, arguments.target));
    options.copies.push_back(std::move(copy));
  }
  return IsUrl(arguments.place) ? CheckTarget(arguments, options)
                                : CheckVolume(arguments, options);
}

std::string Advice(const FsckArguments& arguments, const Status& error) {
  if (IsUrl(arguments.place)) return TargetAdvice(error);
  if (!error.Is(StatusCode::kBusy)) return "";
  return "'trefoil umount' it first; a target's URL can be checked meanwhile";
}

std::string ContinueAdvice(const FsckArguments& arguments) {
  if (!arguments.read_data) return "";
  const bool is_kept = !IsUrl(arguments.place) ||
                       !arguments.state_file.empty() ||
                       UsualStateFile("fsck", arguments.place).ok();
  if (!is_kept) return "with --state a check can be continued";
  return "the same command continues";
}

int ExitCode(const RepairReport& report) {
  if (!report.left.clean()) return kFsckErrors;
  return report.changed() ? kFsckCorrected : kFsckClean;
}

int RunFsck(const FsckArguments& arguments) {
  if (arguments.repair && IsUrl(arguments.place) && arguments.from.empty()) {
    FailFsck({StatusCode::kInvalidArgument,
              "--repair of a target needs --from: the volume, or another "
              "target, to take good objects from"});
    return kFsckUsage;
  }
  // The first signal ends it between two objects, with what was verified
  // remembered; the second one at once.
  HoldEndSignals();
  std::atomic<bool> interrupted{false};
  const SignalWatch watch([&interrupted](int) {
    if (interrupted.exchange(true)) _exit(kFsckCancelled);
  });
  const Result<RepairReport> report = Check(arguments, interrupted);
  if (!report.ok() && interrupted) {
    static_cast<void>(Fail("fsck", report.status(), ContinueAdvice(arguments)));
    return kFsckCancelled;
  }
  if (!report.ok()) {
    return FailFsck(report.status(), Advice(arguments, report.status()));
  }
  if (arguments.json) {
    Json json = ReportToJson(arguments.place, report->left);
    if (arguments.repair) AddRepairs(*report, &json);
    Print(JsonText(json));
  } else {
    PrintRepairs(*report);
    PrintReport(arguments.place, report->left);
  }
  return ExitCode(*report);
}

}  // namespace

void AddFsckCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<FsckArguments>();
  CLI::App* fsck = trefoil.add_subcommand(
      "fsck", "Check a volume that is not mounted, or one copy");
  fsck->add_option("VOLUME", arguments->place,
                   "The volume, or the URL of one of its copies")
      ->required();
  CLI::Option* const read_data =
      fsck->add_flag("--read-data", arguments->read_data,
                     "Read and hash every byte of every object");
  fsck->add_option("--sample", arguments->sample_percent,
                   "Read and hash so many percent of the packs")
      ->type_name("PERCENT")
      ->check(CLI::Range(1U, 100U))
      ->excludes(read_data);
  fsck->add_flag("--repair", arguments->repair,
                 "Replace what is missing or damaged from other copies");
  fsck->add_option("--from", arguments->from,
                   "A volume or a copy's URL to repair from")
      ->type_name("PLACE")
      ->allow_extra_args(false);
  fsck->add_option("--state", arguments->state_file,
                   "Remember here what was verified, to continue from")
      ->type_name("FILE")
      ->needs(read_data);
  fsck->add_flag("--restart", arguments->restart,
                 "Do not continue an interrupted check")
      ->needs(read_data);
  fsck->add_flag("--quiet", arguments->quiet, "Show no progress");
  fsck->add_flag("--json", arguments->json, "Print JSON");
  AddSecretOptions(fsck, &arguments->secret);
  AddTargetOptions(fsck, &arguments->target);
  fsck->callback([=] { *action = [=] { return RunFsck(*arguments); }; });
}

}  // namespace trefoil
