// SPDX-License-Identifier: Apache-2.0
// What `trefoil init` does at each target: make it one, try what it can do,
// and note that in the target's settings.
#pragma once

#include <string>

#include "fs/object/object_format.h"
#include "fs/volume/config.h"

namespace trefoil {

// Options in which a target's settings keep what init found.
inline constexpr const char* kOptionConditionalPut = "conditional_put";
inline constexpr const char* kOptionProbed = "probed";  // when, UTC

// What the target can do, for people. `settings` then says it too. Errors as
// of the store; kAlreadyExists when another volume's objects are there.
Result<std::string> PrepareTarget(const VolumeId& volume_id,
                                  TargetSettings* settings);

// Whether `trefoil init --force` passes over `error`, since it may go away by
// itself or by what somebody does at the target.
bool MayPassLater(const Status& error);

}  // namespace trefoil
