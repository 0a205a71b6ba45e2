// SPDX-License-Identifier: Apache-2.0
// The one process behind a mount: the volume with its commits, FUSE, the
// replicator and the control socket.
#pragma once

#include <memory>
#include <string>

#include "tools/daemonize.h"
#include "tools/mount_options.h"

namespace trefoil {

struct MountPlan {
  std::string volume;      // absolute
  std::string mountpoint;  // checked by PrepareMountpoint
  bool read_only = false;  // open the volume itself without writing to it
  MountSettings settings;
  // What was typed, which can't be asked for again; null: see `settings`.
  std::shared_ptr<const Secret> secret;
};

// Serves the mount until it is unmounted or a signal ends it, then closes the
// volume. Reports how the start went. The exit code: 0 when everything
// acknowledged is durable.
int ServeMount(const MountPlan& plan, StartupReport& report);

}  // namespace trefoil
