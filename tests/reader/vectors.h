// SPDX-License-Identifier: Apache-2.0
// The known-answer vectors: a small encrypted copy with every kind of sealed
// object, made from fixed keys and a fixed seed, so that its bytes are the same
// on every machine (with Debian 12's zstd).
#pragma once

#include <string>

#include "fs/base/status.h"

namespace trefoil {

inline constexpr const char* kVectorPassphrase = "correct horse";
inline constexpr const char* kVectorRecoveryKey = "twenty bytes of key!";

// Writes the copy into the empty directory `path`.
Status WriteVectors(const std::string& path);

}  // namespace trefoil
