// SPDX-License-Identifier: Apache-2.0
// trefoil fsck: checks a volume or one target's tree, and changes nothing.
#include <fmt/format.h>

#include "fs/control/client.h"
#include "fs/verify/verify.h"
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

Result<VerifyReport> CheckVolume(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.place));
  TREFOIL_TRY(CheckNotMounted(location));
  TREFOIL_ASSIGN(options.secret,
                 SecretOfVolume(arguments.secret, location.volume));
  return VerifyVolume(RealWorld(), location.volume, options);
}

Result<VerifyReport> CheckTarget(const FsckArguments& arguments,
                                 VerifyOptions options) {
  TREFOIL_ASSIGN(const TargetSettings settings,
                 ToSettings("", arguments.place, arguments.target));
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(settings));
  TREFOIL_ASSIGN(Secret secret, SecretOfCopy(arguments.secret, *store));
  if (secret.kind != Secret::Kind::kNone) {
    options.secret = std::make_shared<const Secret>(std::move(secret));
  }
  return VerifyStore(RealWorld(), *store, options);
}

std::string Advice(const FsckArguments& arguments, const Status& error) {
  if (IsUrl(arguments.place)) return TargetAdvice(error);
  if (!error.Is(StatusCode::kBusy)) return "";
  return "'trefoil umount' it first; a target's URL can be checked meanwhile";
}

int RunFsck(const FsckArguments& arguments) {
  const Result<VerifyReport> report = [&] {
    ProgressLine line;
    VerifyOptions options;
    options.read_data = arguments.read_data;
    options.progress = [&](uint64_t done, uint64_t total) {
      line.Show(done, total, "checking " + arguments.place);
    };
    return IsUrl(arguments.place) ? CheckTarget(arguments, options)
                                  : CheckVolume(arguments, options);
  }();
  if (!report.ok()) {
    return FailFsck(report.status(), Advice(arguments, report.status()));
  }
  if (arguments.json) {
    Print(JsonText(ReportToJson(arguments.place, *report)));
  } else {
    PrintReport(arguments.place, *report);
  }
  return report->clean() ? kFsckClean : kFsckErrors;
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
  fsck->add_flag("--json", arguments->json, "Print JSON");
  AddSecretOptions(fsck, &arguments->secret);
  AddTargetOptions(fsck, &arguments->target);
  fsck->callback([=] { *action = [=] { return RunFsck(*arguments); }; });
}

}  // namespace trefoil
