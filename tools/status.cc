// SPDX-License-Identifier: Apache-2.0
// trefoil status: the copies side by side, for people, scripts and Nagios.
#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/report.h"
#include "tools/status_text.h"
#include "tools/volume_status.h"

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
  const Result<Json> status = StatusOf(arguments.volume, arguments.secret);
  if (arguments.check) {
    return RunCheck(status, ParseDuration(arguments.max_age).value_or(0));
  }
  if (!status.ok()) {
    return Fail("status", status.status(), SecretAdvice(status.status()));
  }
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
