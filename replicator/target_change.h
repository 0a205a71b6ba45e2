// SPDX-License-Identifier: Apache-2.0
// Targets that a volume gets and loses: what is looked at first, and the
// configuration. Replicator::AddTarget and RemoveTarget follow where the volume
// is mounted; elsewhere whoever calls this holds the volume's lock.
//
// Keeps O3 (nothing that was known of an earlier target of the name counts for
// the new one) and O9 (a place with another volume's objects is never taken).
// A crash leaves the configuration as it was or as it will be.
// Thread rule: free functions; one change of a volume at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/object/object_format.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/store/cancel.h"

namespace trefoil {

// Options in which a target's settings keep what was found out about it.
inline constexpr const char* kOptionConditionalPut = "conditional_put";
inline constexpr const char* kOptionProbed = "probed";  // when, UTC

// Whose targets, and how they are reached.
struct TargetOwner {
  World world;
  std::string volume_path;
  VolumeId volume_id{};
  std::string credentials_file;                   // empty: the usual places
  std::shared_ptr<CancelToken> cancel = nullptr;  // ends waits; null: nothing
};

// Makes the place of `settings` a target and tries out what it can do: that,
// for people; `settings` then says it too. Errors as of the store;
// kAlreadyExists when another volume's objects are there.
Result<std::string> PrepareTarget(const TargetOwner& owner,
                                  TargetSettings* settings);
// Whether it may go away by itself or by what somebody does at the target.
bool MayPassLater(const Status& error);

// Prepares a target, unless it is for `later`, and makes it one of the
// configuration's. What it can do, for people. Nothing is changed where it
// fails: kAlreadyExists for a name or a place that is in use, kInvalidArgument
// for what can't be a target, or as PrepareTarget.
Result<std::string> AddToConfig(const TargetOwner& owner, bool later,
                                TargetSettings* settings);

struct RemovedTarget {
  TargetSettings removed;
  std::vector<TargetSettings> left;
};
// kNotFound for a name that is none; kPreconditionFailed, unless `force`, for
// the last target, or while the volume still takes its data from its targets.
Result<RemovedTarget> RemoveFromConfig(const TargetOwner& owner,
                                       const std::string& name, bool force);

}  // namespace trefoil
