// SPDX-License-Identifier: Apache-2.0
// trefoil scrub: verifies every object of every copy now.
#include <fmt/format.h>

#include <memory>

#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/volume_client.h"

namespace trefoil {
namespace {

struct ScrubArguments {
  std::string mountpoint;
  bool wait = false;
  bool offsite = false;
};

void ShowProgress(const Json& scrubs, ProgressLine* line) {
  uint64_t due = 0;
  uint64_t objects = 0;
  for (const Json& scrub : scrubs) {
    due += CountField(scrub, "due");
    objects += CountField(scrub, "objects");
  }
  line->Show(objects - std::min(due, objects), objects,
             fmt::format("{} objects to verify", due));
}

// False when something is bad in every copy, or a copy could not be read.
bool PrintResult(const Json& scrubs) {
  bool good = true;
  for (const Json& scrub : scrubs) {
    const std::string error = TextField(scrub, "last_error");
    const size_t bad = NestedField(scrub, "bad").size();
    good = good && bad == 0 && error.empty();
    Print(OneLine(
        fmt::format("{}: {} objects, {} healed{}{}", TextField(scrub, "name"),
                    CountField(scrub, "objects"), CountField(scrub, "healed"),
                    bad == 0 ? "" : fmt::format(", {} bad in every copy", bad),
                    error.empty() ? "" : ", not finished: " + error)));
  }
  return good;
}

int RunScrub(const ScrubArguments& arguments) {
  const auto client = ConnectToVolume(arguments.mountpoint);
  if (!client.ok()) return Fail("scrub", client.status());
  Json params = Json::object();
  params["wait"] = arguments.wait;
  params["offsite"] = arguments.offsite;
  const Result<Json> result = [&] {
    ProgressLine line;
    return (*client)->Call(
        "scrub", params, arguments.wait ? -1 : kControlTimeoutNanos,
        [&](const Json& json) { ShowProgress(json, &line); });
  }();
  if (!result.ok()) return Fail("scrub", result.status());
  if (!arguments.wait) {
    Print("begun; 'trefoil status' shows how far it is");
    return kExitOk;
  }
  return PrintResult(*result) ? kExitOk : kExitError;
}

}  // namespace

void AddScrubCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<ScrubArguments>();
  CLI::App* scrub = trefoil.add_subcommand(
      "scrub", "Verify every object of the copies now, and heal what is bad");
  scrub
      ->add_option("MOUNTPOINT", arguments->mountpoint,
                   "Where the volume is mounted, or the volume")
      ->required();
  scrub->add_flag("--wait", arguments->wait,
                  "Return when all is verified, with what was found");
  scrub->add_flag("--offsite", arguments->offsite,
                  "Read the copies in object stores too, whatever that costs");
  scrub->callback([=] { *action = [=] { return RunScrub(*arguments); }; });
}

}  // namespace trefoil
