// SPDX-License-Identifier: Apache-2.0
// The dirty map: which ranges of which files are newer than the extents in the
// index, and where their bytes are. For each inode a stack of layers, one for
// each epoch that wrote; a layer maps ranges to pieces. Writers change only
// the layer of the current epoch; a cut freezes all layers simply by beginning
// a new epoch; destage takes frozen layers away, oldest first. So a snapshot
// (an epoch) sees the layers up to its epoch above the extents of its epoch.
//
// Thread rule: an InodeDirty is guarded by its stripe's lock; DirtyMap's own
// functions say which. Rebuilt by replay from the effects in journal records.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/base/types.h"
#include "fs/journal/journal.h"

namespace trefoil {

// Where the bytes of a dirty range are.
struct HoleSource {  // nowhere: they read as zeros
  auto operator<=>(const HoleSource&) const = default;
};
struct BlockSource {  // in a block already (copy_file_range)
  BlockNo block;
  uint64_t offset = 0;
  auto operator<=>(const BlockSource&) const = default;
};
using DirtySource = std::variant<HoleSource, JournalPosition, BlockSource>;

struct DirtyPiece {
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;
  DirtySource source;
};

// Ranges of one epoch; pieces never overlap.
class DirtyLayer {
 public:
  // Replaces whatever the piece's range held.
  void Insert(const DirtyPiece& piece);
  // Forgets [offset, offset + length).
  void Remove(uint64_t offset, uint64_t length);
  // Pieces that intersect [offset, offset + length), clipped to it, in order.
  [[nodiscard]] std::vector<DirtyPiece> Find(uint64_t offset,
                                             uint64_t length) const;
  [[nodiscard]] std::vector<DirtyPiece> All() const;
  // Adds the blocks that pieces take bytes from.
  void AddBlocksTo(std::unordered_set<BlockNo>* blocks) const;
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  // Bytes that are in the journal only.
  [[nodiscard]] uint64_t journal_bytes() const { return journal_bytes_; }

 private:
  struct Value {
    uint64_t length = 0;
    DirtySource source;
  };
  void SplitAt(uint64_t offset);

  std::map<uint64_t, Value> pieces_;
  uint64_t journal_bytes_ = 0;
};

// The layers of one inode, by epoch.
struct InodeDirty {
  std::map<Epoch, DirtyLayer> layers;

  // What readers in `epoch` see of [offset, offset+length): pieces in order,
  // newest layer first, not covering what is in the extents.
  [[nodiscard]] std::vector<DirtyPiece> Resolve(uint64_t offset,
                                                uint64_t length,
                                                Epoch epoch) const;
};

class DirtyMap {
 public:
  static constexpr size_t kStripes = 256;
  // One lock and the inodes whose numbers fall on it. It also serializes
  // changes of those inodes' data. Lock order: see VolumeCore.
  struct Stripe {
    SharedMutex mu;
    std::unordered_map<InodeId, InodeDirty> inodes GUARDED_BY(mu);
  };

  Stripe& StripeOf(InodeId inode) { return stripes_[IndexOf(inode)]; }
  static size_t IndexOf(InodeId inode) { return inode.value % kStripes; }

  // Inodes with layers of epochs up to `epoch`, in order. Locks stripes.
  std::vector<InodeId> DirtyInodes(Epoch epoch);
  // Bytes that are in the journal only. Locks stripes.
  uint64_t JournalBytes();
  // Blocks that some layer takes bytes from. Locks stripes.
  std::unordered_set<BlockNo> ReferencedBlocks();

 private:
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace trefoil
