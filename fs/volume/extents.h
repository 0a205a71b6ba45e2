// SPDX-License-Identifier: Apache-2.0
// Extents of file data in the index: finding those of a range in an epoch, and
// replacing a range (destage, reaping). Extents of an inode never overlap in
// any one epoch. Only the commit round changes extents, in the order of
// layers.
#pragma once

#include <vector>

#include "fs/index/history.h"
#include "fs/index/records.h"
#include "fs/volume/transaction.h"

namespace trefoil {

struct FoundExtent {
  uint64_t offset = 0;  // in the file
  ExtentRecord record;
  [[nodiscard]] uint64_t end() const { return offset + record.length; }
};

// Extents that intersect [offset, offset + length), whole, in order.
Result<std::vector<FoundExtent>> FindExtents(IndexView& index, InodeId inode,
                                             uint64_t offset, uint64_t length,
                                             Epoch epoch);
// Start of the first extent that begins at or after `offset`; nothing when
// there is none.
Result<std::optional<uint64_t>> NextExtent(IndexView& index, InodeId inode,
                                           uint64_t offset, Epoch epoch);

// The live extents of a range with the transaction's own changes.
Result<std::vector<FoundExtent>> FindExtentsIn(Transaction& tx, InodeId inode,
                                               uint64_t offset,
                                               uint64_t length);
// The first `limit` live extents of a range.
Result<std::vector<FoundExtent>> FirstLiveExtents(IndexView& index,
                                                  InodeId inode,
                                                  uint64_t offset,
                                                  uint64_t length,
                                                  size_t limit);

// Makes [offset, offset + length) a hole in tx.epoch(): extents inside go (to
// history where a snapshot needs them), those at the edges are clipped. `live`
// is all of the range's extents, from FindExtentsIn.
Status ClearRange(Transaction& tx, InodeId inode, uint64_t offset,
                  uint64_t length, const std::vector<FoundExtent>& live);

// Adds one extent where there is none.
Status AddExtent(Transaction& tx, InodeId inode, uint64_t offset,
                 uint64_t length, BlockNo block, uint64_t block_offset);

}  // namespace trefoil
