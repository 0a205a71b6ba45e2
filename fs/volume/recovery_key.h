// SPDX-License-Identifier: Apache-2.0
// The recovery key as people read, print and type it: 20 random bytes as 8
// groups of 5 characters, `ABCDE-FGHJK-...`.
//
//   The 160 bits, the first byte's highest bit first, are cut into 32 numbers
//   of 5 bits. Group g (1 to 8) is four of them, c1 to c4, and a check number
//     c5 = 2*c1 + 4*c2 + 8*c3 + 16*c4 + g
//   in GF(32) with x^5 + x^2 + 1 (addition is XOR). Numbers are written with
//   Crockford's alphabet, 0123456789ABCDEFGHJKMNPQRSTVWXYZ.
//
// A mistyped character, two that were swapped, and groups in the wrong order
// are found, and the group is named. Reading forgives lower case, spaces,
// dashes and line ends, the letter O for 0, I and L for 1.
// Thread rule: pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "fs/base/secret.h"
#include "fs/base/status.h"

namespace trefoil {

inline constexpr size_t kRecoveryKeyBytes = 20;

// `key` has kRecoveryKeyBytes.
SecretBytes WriteRecoveryKey(const SecretBytes& key);
// kInvalidArgument says which group is wrong, and not what it was.
Result<SecretBytes> ReadRecoveryKey(std::string_view text);
// The key in a recovery kit: the rest of the line that begins with `Recovery
// key:`. Without such a line the whole text is the key.
Result<SecretBytes> FindRecoveryKey(std::string_view text);

}  // namespace trefoil
