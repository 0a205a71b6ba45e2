// SPDX-License-Identifier: Apache-2.0
// The copy that `trefoil recover` takes, of all that were given.
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
  std::unique_ptr<ObjectStore> store;
  Secret secret;  // opens it
  CopyHead head;
};

// Looks at every copy, prints what the newest one ends with and how the others
// differ, and gives that one. A copy that does not answer is told, too.
Result<RecoverSource> ChooseSource(const std::vector<std::string>& urls,
                                   const TargetArguments& arguments,
                                   const SecretArguments& secret,
                                   std::optional<CommitSeq> at_least);

}  // namespace trefoil
