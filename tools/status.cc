// SPDX-License-Identifier: Apache-2.0
// trefoil status: the copies side by side, for people, scripts and Nagios.
#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/open_volume.h"
#include "tools/report.h"
#include "tools/status_text.h"
#include "tools/version.h"
#include "tools/volume_client.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr int kCheckCritical = 2;

struct StatusArguments {
  std::string volume;
  bool json = false;
  bool check = false;
  std::string max_age = "1h";
  SecretArguments secret;
};

// Of a volume that no process has open; nothing in it changes.
Result<Json> StatusAtRest(const VolumeLocation& location,
                          const SecretArguments& secret) {
  TREFOIL_ASSIGN(const OpenedVolume opened,
                 OpenReadOnly(location.volume, secret));
  TREFOIL_ASSIGN(
      std::vector<TargetStatus> targets,
      LoadTargetStatus(Env::Posix(), location.volume, opened.config));
  // Nothing is being shipped.
  for (TargetStatus& target : targets) target.bytes_per_second = 0;
  StatusContext context;
  context.version = Version();
  context.detached = opened.config.detached;
  context.now_nanos = Clock::Real().WallNanos();
  TREFOIL_ASSIGN(context.hydration, HydrationAtRest(*opened.volume));
  Json json = StatusToJson(*opened.volume, ToCopyStatus(targets), context);
  // Read-only is how it was opened, not how it is; nothing else is wrong when
  // no reason is given.
  if (TextField(json, "reason").empty()) {
    json["state"] = "ok";
    json["primary"]["state"] = "ok";
  }
  if (!location.mountpoint.empty()) {
    json["state"] = "stopped";
    json["reason"] = fmt::format(
        "the process behind the mount at {0} has ended: 'trefoil umount {0}', "
        "then mount it again",
        location.mountpoint);
  }
  return json;
}

Result<Json> GetStatus(const StatusArguments& arguments) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return (*client)->Call("status", Json::object(), kControlTimeoutNanos);
  }
  if (!client.status().Is(StatusCode::kUnavailable)) return client.status();
  return StatusAtRest(location, arguments.secret);
}

int RunCheck(const Result<Json>& status, int64_t max_age_seconds) {
  if (!status.ok()) {
    Print(OneLine(fmt::format("TREFOIL CRITICAL - no status: {}",
                              status.status().message())));
    return kCheckCritical;
  }
  const StatusVerdict verdict = JudgeStatus(*status, max_age_seconds);
  Print(verdict.line);
  return verdict.level;
}

int RunStatus(const StatusArguments& arguments) {
  const Result<Json> status = GetStatus(arguments);
  if (arguments.check) {
    return RunCheck(status, ParseDuration(arguments.max_age).value_or(0));
  }
  if (!status.ok()) return Fail("status", status.status());
  const std::string text =
      arguments.json ? JsonText(*status) + "\n" : StatusText(*status);
  fmt::print("{}", text);
  return kExitOk;
}

std::string CheckDuration(const std::string& text) {
  return ParseDuration(text)
             ? ""
             : text + ": not a duration such as 90s, 5m, 2h or 1d";
}

}  // namespace

void AddStatusCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<StatusArguments>();
  CLI::App* status = trefoil.add_subcommand(
      "status", "Show the copies side by side, and how far behind they are");
  status
      ->add_option("VOLUME", arguments->volume,
                   "The volume, or where it is mounted")
      ->required();
  CLI::Option* json = status->add_flag("--json", arguments->json, "Print JSON");
  CLI::Option* check = status->add_flag(
      "--check", arguments->check,
      "Print one line; exit with 0 fine, 1 warning, 2 critical (Nagios)");
  check->excludes(json);
  status
      ->add_option("--max-age", arguments->max_age,
                   "With --check: how far a copy may be behind, as 90s, 5m, "
                   "2h or 1d")
      ->needs(check)
      ->check(CheckDuration)
      ->type_name("DURATION")
      ->capture_default_str();
  AddSecretOptions(status, &arguments->secret);
  status->callback([=] { *action = [=] { return RunStatus(*arguments); }; });
}

}  // namespace trefoil
