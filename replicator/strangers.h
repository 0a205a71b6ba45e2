// SPDX-License-Identifier: Apache-2.0
// Strangers: objects on a target that its owner can't have put there. Readers
// of the target could take them for the newest state, or for the way to the
// volume's keys; without a key nobody can make them open, but somebody tried,
// or a copy of another machine is shipping here unseen.
// Thread rule: a function over thread-safe stores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "replicator/commit_source.h"

namespace trefoil {

struct Strangers {
  uint64_t count = 0;
  std::string first;  // the key of one of them
};

// Commits and checkpoints of this opening's generation that it has not made, or
// of a generation above it, and volume objects above the primary's. By names
// only. `keep_going` returning false ends it with kUnavailable.
Result<Strangers> FindStrangers(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going);

}  // namespace trefoil
