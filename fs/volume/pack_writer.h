// SPDX-License-Identifier: Apache-2.0
// Writes blocks into a pack of the local tree: what destage and garbage
// collection share.
//
// Keeps O3: the pack is durable and in place when OK is returned, before any
// transaction can name its blocks.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "fs/index/records.h"
#include "fs/volume/core.h"

namespace trefoil {

// A pack is closed when its blocks reach this.
inline constexpr uint64_t kPackBytes = 16ULL << 20;

struct WrittenPack {
  PackRecord record;
  std::vector<FrameLocation> locations;  // of the blocks, in order
};

// Writes blocks 0 .. `count`-1; `block` gives their plaintexts.
Result<WrittenPack> WritePack(
    VolumeCore& core, size_t count,
    const std::function<std::string_view(size_t)>& block);

}  // namespace trefoil
