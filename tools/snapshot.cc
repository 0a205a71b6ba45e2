// SPDX-License-Identifier: Apache-2.0
// trefoil snapshot create, list, delete.
#include <fmt/format.h>

#include "fs/base/clock.h"
#include "tools/commands.h"
#include "tools/json_fields.h"
#include "tools/open_volume.h"
#include "tools/report.h"
#include "tools/volume_client.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

struct SnapshotArguments {
  std::string mountpoint;
  std::string label;
  std::string name;
  bool json = false;
  SecretArguments secret;
};

// Snapshots of a volume, mounted or not, as control's `snapshot-list`.
Result<Json> ListSnapshots(const SnapshotArguments& arguments) {
  TREFOIL_ASSIGN(const VolumeLocation location,
                 FindVolume(arguments.mountpoint));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return (*client)->Call("snapshot-list", Json::object(),
                           kControlTimeoutNanos);
  }
  if (!client.status().Is(StatusCode::kUnavailable)) return client.status();
  TREFOIL_ASSIGN(const OpenedVolume opened,
                 OpenReadOnly(location.volume, arguments.secret));
  TREFOIL_ASSIGN(const std::vector<SnapshotInfo> snapshots,
                 opened.volume->ListSnapshots());
  Json json = Json::array();
  for (const SnapshotInfo& snapshot : snapshots) {
    json.push_back(SnapshotToJson(snapshot));
  }
  return json;
}

int RunCreate(const SnapshotArguments& arguments) {
  const auto client = ConnectToVolume(arguments.mountpoint);
  if (!client.ok()) return Fail("snapshot create", client.status());
  Json params = Json::object();
  params["label"] = arguments.label;
  const auto snapshot =
      (*client)->Call("snapshot-create", params, kControlTimeoutNanos);
  if (!snapshot.ok()) return Fail("snapshot create", snapshot.status());
  Print(TextField(*snapshot, "name"));
  return kExitOk;
}

int RunList(const SnapshotArguments& arguments) {
  const Result<Json> snapshots = ListSnapshots(arguments);
  if (!snapshots.ok()) return Fail("snapshot list", snapshots.status());
  if (arguments.json) {
    Print(JsonText(*snapshots));
    return kExitOk;
  }
  for (const Json& snapshot : *snapshots) {
    const std::string label = TextField(snapshot, "label");
    const std::string line =
        fmt::format("{}  {}{}{}", TextField(snapshot, "name"),
                    FormatUtc(NumberField(snapshot, "time") * kNanosPerSecond),
                    label.empty() ? "" : "  ", label);
    Print(OneLine(line));
  }
  return kExitOk;
}

int RunDelete(const SnapshotArguments& arguments) {
  const auto client = ConnectToVolume(arguments.mountpoint);
  if (!client.ok()) return Fail("snapshot delete", client.status());
  Json params = Json::object();
  params["name"] = arguments.name;
  const auto deleted =
      (*client)->Call("snapshot-delete", params, kControlTimeoutNanos);
  if (deleted.ok()) return kExitOk;
  return Fail("snapshot delete", deleted.status(),
              "'trefoil snapshot list' shows the names");
}

CLI::App* AddOne(CLI::App* snapshot, const char* name, const char* help,
                 SnapshotArguments* arguments) {
  CLI::App* command = snapshot->add_subcommand(name, help);
  command
      ->add_option("MOUNTPOINT", arguments->mountpoint,
                   "Where the volume is mounted, or the volume")
      ->required();
  return command;
}

}  // namespace

void AddSnapshotCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<SnapshotArguments>();
  CLI::App* snapshot = trefoil.add_subcommand(
      "snapshot", "Create, list or delete read-only views of the whole tree");
  snapshot->require_subcommand(1);

  CLI::App* create =
      AddOne(snapshot, "create", "Keep the tree as it is now", arguments.get());
  create->add_option("--label", arguments->label, "A text to remember it by");
  create->callback([=] { *action = [=] { return RunCreate(*arguments); }; });

  CLI::App* list =
      AddOne(snapshot, "list", "Show all snapshots", arguments.get());
  list->add_flag("--json", arguments->json, "Print JSON");
  AddSecretOptions(list, &arguments->secret);
  list->callback([=] { *action = [=] { return RunList(*arguments); }; });

  CLI::App* remove =
      AddOne(snapshot, "delete", "Give up one snapshot", arguments.get());
  remove->add_option("NAME", arguments->name, "The snapshot's name")
      ->required();
  remove->callback([=] { *action = [=] { return RunDelete(*arguments); }; });
}

}  // namespace trefoil
