// SPDX-License-Identifier: Apache-2.0
// trefoil sync: the explicit barrier.
#include <memory>

#include "tools/commands.h"
#include "tools/report.h"
#include "tools/volume_client.h"

namespace trefoil {
namespace {

struct SyncArguments {
  std::string mountpoint;
  SyncRequest request;
};

int RunSync(const SyncArguments& arguments) {
  const auto client = ConnectToVolume(arguments.mountpoint);
  if (!client.ok()) return Fail("sync", client.status());
  const Status synced = SyncTargets(**client, arguments.request);
  if (synced.ok()) return kExitOk;
  return Fail("sync", synced,
              "'trefoil status' shows each copy; writing goes on meanwhile");
}

}  // namespace

void AddSyncCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<SyncArguments>();
  CLI::App* sync = trefoil.add_subcommand(
      "sync", "Wait until everything written so far is on the copies");
  sync->add_option("MOUNTPOINT", arguments->mountpoint,
                   "Where the volume is mounted, or the volume")
      ->required();
  sync->add_option("--target", arguments->request.target,
                   "A copy's name, such as second or offsite; or all")
      ->capture_default_str();
  AddTimeoutOption(*sync, &arguments->request);
  sync->callback([=] { *action = [=] { return RunSync(*arguments); }; });
}

}  // namespace trefoil
