// SPDX-License-Identifier: Apache-2.0
// trefoil sync: the explicit barrier.
#include <limits>

#include "tools/commands.h"
#include "tools/report.h"
#include "tools/volume_client.h"

namespace trefoil {
namespace {

constexpr int64_t kMaxTimeoutSeconds = 366LL * 24 * 3600;

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
  sync->add_option("--timeout", arguments->request.timeout_seconds,
                   "Give up after so many SECONDS; 0: never")
      ->check(CLI::Range(int64_t{0}, kMaxTimeoutSeconds))
      ->capture_default_str();
  sync->callback([=] { *action = [=] { return RunSync(*arguments); }; });
}

}  // namespace trefoil
