// SPDX-License-Identifier: Apache-2.0
// A volume that is not mounted, opened to be looked at. A crashed one is
// replayed in memory: nothing on its disk changes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/base/overlay_env.h"
#include "fs/control/status.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/replicator.h"
#include "tools/secret_source.h"

namespace trefoil {

struct OpenedVolume {
  VolumeConfig config;
  std::unique_ptr<OverlayEnv> env;  // outlives the volume
  std::unique_ptr<Volume> volume;
};

// kBusy when another process holds it.
Result<OpenedVolume> OpenReadOnly(const std::string& volume_path,
                                  const SecretArguments& secret);

// What the replicator knows of a target, in the control socket's words.
CopyStatus ToCopyStatus(const TargetStatus& target);
std::vector<CopyStatus> ToCopyStatus(const std::vector<TargetStatus>& targets);
HydrationFigures ToHydrationFigures(const HydrationStatus& hydration);
std::vector<ScrubFigures> ToScrubFigures(
    const std::vector<ScrubStatus>& scrubs);
// Of a volume that is not mounted.
Result<HydrationFigures> HydrationAtRest(Volume& volume);

}  // namespace trefoil
