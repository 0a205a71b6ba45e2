// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_status.h"

#include <fmt/format.h>

#include "tools/drill_report.h"
#include "tools/json_fields.h"
#include "tools/open_volume.h"
#include "tools/version.h"
#include "tools/volume_client.h"
#include "tools/world.h"

namespace trefoil {
namespace {

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
  std::vector<CopyStatus> copies = ToCopyStatus(targets);
  AddDrills(Env::Posix(), location.volume, &copies);
  Json json = StatusToJson(*opened.volume, copies, context);
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

}  // namespace

Result<Json> StatusOf(const std::string& volume_or_mountpoint,
                      const SecretArguments& secret) {
  TREFOIL_ASSIGN(const VolumeLocation location,
                 FindVolume(volume_or_mountpoint));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return (*client)->Call("status", Json::object(), kControlTimeoutNanos);
  }
  if (!client.status().Is(StatusCode::kUnavailable)) return client.status();
  return StatusAtRest(location, secret);
}

}  // namespace trefoil
