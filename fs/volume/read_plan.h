// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a file are, in one epoch: the layers of the dirty map
// above the extents of the index. What reads, SEEK_DATA, copies by reference
// and block counts are made of.
#pragma once

#include <functional>
#include <vector>

#include "fs/volume/core.h"

namespace trefoil {

// A stretch of a file with one source. HoleSource reads as zeros.
using ReadPart = DirtyPiece;

// The parts of [offset, offset + length) in order, without gaps, as `epoch`
// sees them. Sources are from one moment. Locks the inode's stripe.
Result<std::vector<ReadPart>> PlanRead(VolumeCore& core, InodeId inode,
                                       uint64_t offset, uint64_t length,
                                       Epoch epoch);

// Calls `visit` for every part of [offset, end) that is no hole, in order,
// jumping over holes, until it returns false.
Status VisitData(VolumeCore& core, InodeId inode, uint64_t offset, uint64_t end,
                 Epoch epoch,
                 const std::function<bool(const ReadPart&)>& visit);

}  // namespace trefoil
