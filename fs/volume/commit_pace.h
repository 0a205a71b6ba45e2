// SPDX-License-Identifier: Apache-2.0
// What an operation changed takes memory until a commit has it: about a hundred
// bytes for each key of the index. Operations that are far ahead of the commit
// rounds are slowed down to the speed of those, smoothly, as the journal slows
// them down when it fills.
// Thread rule: pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trefoil {

// A round is due when so many keys wait for it.
inline constexpr size_t kManyChangedKeys = 200'000;
// And nobody waits while there are no more than so many.
inline constexpr size_t kPaceFromKeys = 250'000;

// What one operation waits while `keys` wait for a commit.
int64_t CommitPaceNanos(size_t keys);

}  // namespace trefoil
