// SPDX-License-Identifier: Apache-2.0
// The tags of commit.h's grammar, for its writer and its reader.
#pragma once

#include <cstdint>

namespace trefoil {

enum class MetaTag : uint8_t { kInfo = 1, kDelta = 2 };
enum class DeltaOp : uint8_t { kPut = 1, kDelete = 2 };

}  // namespace trefoil
