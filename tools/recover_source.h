// SPDX-License-Identifier: Apache-2.0
// The copy that `trefoil recover` takes, of all that were given, and those that
// help it out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replicator/heads.h"
#include "tools/secret_source.h"
#include "tools/target_arguments.h"

namespace trefoil {

struct RecoverSource {
  TargetSettings settings;
  std::shared_ptr<ObjectStore> store;
  Secret secret;  // opens it
  CopyHead head;
  // Copies of the same history: what the one lacks or has damaged is there.
  ObjectCopies others;
  std::vector<TargetSettings> other_settings;
};

// What is asked for of a copy's newest state.
struct SourceBounds {
  std::optional<CommitSeq> at_least = {};  // not older than this commit
  std::optional<CommitSeq> newest = {};    // what is damaged above does not
                                           // matter
};

// Looks at every copy, prints what the newest one ends with and how the others
// differ, and gives that one. A copy that does not answer is told, too. Where
// copies are damaged it may be what they have together.
Result<RecoverSource> ChooseSource(const std::vector<std::string>& urls,
                                   const TargetArguments& arguments,
                                   const SecretArguments& secret,
                                   const SourceBounds& bounds);

}  // namespace trefoil
