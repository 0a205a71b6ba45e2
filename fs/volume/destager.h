// SPDX-License-Identifier: Apache-2.0
// Destage: journal -> objects. One Destager serves one commit round: it takes
// the frozen layers away, oldest first, chunks and names their bytes, reuses
// blocks that are known, writes new ones into packs, and moves each range from
// its layer to extents. What is left at the end and small stays with the
// caller, who puts it into the commit itself.
//
// Keeps O3 (a pack is durable before a transaction names its blocks) and the
// order of epochs (extents change layer by layer).
// Thread rule: used by one thread, the one that holds the round.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "fs/object/chunker.h"
#include "fs/object/commit.h"
#include "fs/volume/core.h"

namespace trefoil {

// A new block that is in no object yet.
struct PendingBlock {
  BlockNo number;
  Hash256 id;
  std::string raw;
};

// A range that goes from a layer to extents (or to nothing: a hole).
struct Move {
  InodeId inode;
  Epoch layer;
  uint64_t offset = 0;
  uint64_t length = 0;
  BlockNo block;  // 0: a hole
  uint64_t block_offset = 0;
};

// Numbers for new blocks and packs; next ones are kept in the live family.
struct ObjectNumbers {
  BlockNo next_block{1};
  PackNo next_pack{1};
};

class Destager {
 public:
  Destager(VolumeCore& core, const Chunker& chunker, ObjectNumbers& numbers);

  // Moves every layer up to `epoch`. Afterwards pending blocks and moves are
  // few, small, and of one layer epoch; or none, always so without
  // `blocks_in_commit`.
  Status Run(Epoch epoch, bool blocks_in_commit);

  // Writes what is pending after all, where it does not fit the commit.
  Status FlushPack();
  [[nodiscard]] bool has_pending() const { return !moves_.empty(); }
  [[nodiscard]] Epoch pending_layer() const { return moves_.front().layer; }
  [[nodiscard]] const std::vector<PendingBlock>& pending_blocks() const {
    return blocks_;
  }
  // Adds records and moves of the pending blocks, which lie in `pack` at
  // `locations`, to a transaction of the layer's epoch.
  Status BuildPending(Transaction& tx, PackNo pack,
                      const std::vector<FrameLocation>& locations);

  // Keys that this round's transactions changed.
  [[nodiscard]] const ChangedKeys& changed() const { return changed_; }
  ChangedKeys TakeChanged() { return std::exchange(changed_, {}); }

 private:
  // Whether what is pending may travel inside the commit.
  Result<bool> PendingIsSmall();
  Status RunLayer(InodeId inode, Epoch layer);
  Status AddBytes(InodeId inode, Epoch layer, const DirtyPiece& piece);
  // Cuts chunks off the gathered bytes; all of them when the run ends.
  Status CutChunks(bool end_of_run);
  Status AddChunk(std::string_view chunk);
  Status AddMove(const Move& move);
  Result<BlockNo> KnownBlock(const Hash256& id);
  Status ApplyMoves();
  // Applies moves [first, *next) as one transaction.
  Status ApplySomeMoves(size_t first, size_t* next);
  Status BuildMove(Transaction& tx, const Move& move);
  // Clears old extents of a move in transactions of their own while there are
  // too many for one.
  Status ThinOut(const Move& move);
  void BuildBlocks(Transaction& tx, PackNo pack,
                   const std::vector<FrameLocation>& locations);

  VolumeCore& core_;
  const Chunker& chunker_;
  ObjectNumbers& numbers_;

  // The contiguous run being gathered.
  std::string run_;
  InodeId run_inode_;
  Epoch run_layer_;
  uint64_t run_offset_ = 0;  // in the file, of run_'s first byte

  std::vector<PendingBlock> blocks_;
  std::unordered_map<std::string, BlockNo> pending_ids_;
  uint64_t pending_bytes_ = 0;
  std::vector<Move> moves_;
  ChangedKeys changed_;
};

}  // namespace trefoil
