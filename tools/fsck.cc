// SPDX-License-Identifier: Apache-2.0
// trefoil fsck: checks a volume or one target's tree, and repairs it from other
// copies when that is asked for.
#include <fmt/format.h>

#include "fs/control/client.h"
#include "fs/verify/repair.h"
#include "fs/volume/config.h"
#include "fs/volume/identity.h"
#include "replicator/copy_store.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/secret_source.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

struct FsckArguments {
  std::string place;
  bool read_data = false;
  bool json = false;
  bool repair = false;
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
    json["findings"].push_back(std::move(entry));
  }
  return json;
}

void PrintReport(const std::string& place, const VerifyReport& report) {
  for (const Finding& finding : report.findings) {
    Print(OneLine(fmt::format("{}: {}: {}: {}", SeverityName(finding.severity),
                              finding.code, finding.where, finding.text)));
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
  (*json)["quarantined"] = report.quarantined;
  (*json)["index_set_aside"] = report.index_set_aside;
}

void PrintRepairs(const RepairReport& report) {
  for (const RepairedObject& object : report.repaired) {
    Print(
        OneLine(fmt::format("repaired: {}: from {}", object.key, object.from)));
  }
  for (const std::string& key : report.quarantined) {
    Print(OneLine(fmt::format("quarantined: {0}: is quarantine/{0} now", key)));
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

Result<RepairReport> CheckVolume(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.place));
  TREFOIL_TRY(CheckNotMounted(location));
  TREFOIL_ASSIGN(options.secret,
                 SecretOfVolume(arguments.secret, location.volume));
  for (ObjectCopy& copy : CopiesOf(location.volume, arguments.target)) {
    options.copies.push_back(std::move(copy));
  }
  if (arguments.repair) {
    return RepairVolume(RealWorld(), location.volume, options);
  }
  return OnlyCheck(VerifyVolume(RealWorld(), location.volume, options));
}

Result<RepairReport> CheckTarget(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const TargetSettings settings,
                 ToSettings("", arguments.place, arguments.target));
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(settings));
  TREFOIL_ASSIGN(Secret secret, SecretOfCopy(arguments.secret, *store));
  if (secret.kind != Secret::Kind::kNone) {
    options.secret = std::make_shared<const Secret>(std::move(secret));
  }
  if (arguments.repair) return RepairStore(RealWorld(), *store, options);
  return OnlyCheck(VerifyStore(RealWorld(), *store, options));
}

Result<RepairReport> Check(const FsckArguments& arguments) {
  ProgressLine line;
  VerifyOptions options;
  options.read_data = arguments.read_data || arguments.sample_percent > 0;
  if (arguments.sample_percent > 0) {
    options.sample_percent = arguments.sample_percent;
  }
  options.progress = [&](uint64_t done, uint64_t total) {
    line.Show(done, total, "checking " + arguments.place);
  };
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
  const Result<RepairReport> report = Check(arguments);
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
  fsck->add_flag("--read-data", arguments->read_data,
                 "Read and hash every byte of every object");
  fsck->add_option("--sample", arguments->sample_percent,
                   "Read and hash so many percent of the packs")
      ->type_name("PERCENT")
      ->check(CLI::Range(1U, 100U));
  fsck->add_flag("--repair", arguments->repair,
                 "Replace what is missing or damaged from other copies");
  fsck->add_option("--from", arguments->from,
                   "A volume or a copy's URL to repair from")
      ->type_name("PLACE")
      ->allow_extra_args(false);
  fsck->add_flag("--json", arguments->json, "Print JSON");
  AddSecretOptions(fsck, &arguments->secret);
  AddTargetOptions(fsck, &arguments->target);
  fsck->callback([=] { *action = [=] { return RunFsck(*arguments); }; });
}

}  // namespace trefoil
