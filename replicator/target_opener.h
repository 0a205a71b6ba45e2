// SPDX-License-Identifier: Apache-2.0
// From a target of the configuration to a shipper's options: how it is opened
// and what it can do.
// Thread rule: pure functions.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/shipper.h"

namespace trefoil {

// How long a store repeats what fails.
struct RetryLimits {
  int attempts_max = 6;
  std::chrono::nanoseconds time_max = std::chrono::seconds(60);
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds stall_timeout{60};
};

// The store of a target of volume `volume_id`. For a `dir:` target the medium
// that is there now is the one that every call insists on. kUnavailable when
// it is not there or belongs to another volume.
Result<std::unique_ptr<ObjectStore>> OpenVolumeTarget(
    const TargetSettings& target, const std::string& credentials_file,
    const VolumeId& volume_id, World world, std::shared_ptr<CancelToken> cancel,
    const RetryLimits& limits = {});

// The disk that a store of OpenVolumeTarget insists on; empty for other
// targets.
TargetDisk DiskOf(ObjectStore& store);

// Room on the medium of a store of OpenVolumeTarget; zeros where nobody can
// tell.
SpaceInfo SpaceOf(ObjectStore& store);

// Whether another disk than the store insists on is at the place now, or one
// with another label.
bool IsAnotherDisk(ObjectStore& store, const TargetSettings& target, Env& env);
// kUnavailable when the store's disk is one that the volume was told to forget.
Status CheckNotForgotten(Env& env, const std::string& volume_path,
                         const TargetSettings& target, ObjectStore& store);

// The id of the disk that is at the place of a `dir:` target; empty when none
// is.
std::string DiskIn(const TargetSettings& target, Env& env);

// Removes what broken-off writes left on a target that OpenVolumeTarget opened;
// by its owner only (O9).
Status TidyTarget(ObjectStore& store);

// How long an object that nothing needs stays on the target: grace_minutes, or
// an hour. kInvalidArgument names the target.
Result<int64_t> GraceOf(const TargetSettings& target);

// Whether the target is known to decide atomically who was first.
bool StoreDecides(const TargetSettings& target);
bool IsRemovable(const TargetSettings& target);

}  // namespace trefoil
