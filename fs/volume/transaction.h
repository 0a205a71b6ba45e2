// SPDX-License-Identifier: Apache-2.0
// A transaction: the changes of the index and of the dirty map that one
// operation makes, visible and durable together or not at all. It is built
// under the sequencer's lock, encoded as the metadata of one journal record,
// and applied. Records are physical: replay applies them as they are.
//
//   meta    := count:varint change* count:varint effect*
//   change  := family:u8 op:u8 key:sized [value:sized]     op 1 put, 2 delete
//   effect  := type:u8 inode:varint epoch:varint offset:varint length:varint
//              [write: data_offset:varint | blocks: block:varint at:varint]
//
// No transaction exceeds kMaxTransactionBytes; larger work is split.
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/index/history.h"
#include "fs/index/index.h"
#include "fs/volume/dirty_map.h"

namespace trefoil {

inline constexpr uint64_t kMaxTransactionBytes = 1ULL << 20;

enum class EffectType : uint8_t {
  kWrite = 1,     // the range's bytes are in this record's data
  kHole = 2,      // the range reads as zeros
  kBlocks = 3,    // the range's bytes are in a block
  kDestaged = 4,  // the layer `epoch` no longer has the range
  kDrop = 5,      // the layer `epoch` of the inode is forgotten
};

struct Effect {
  EffectType type = EffectType::kWrite;
  InodeId inode;
  Epoch epoch;  // the layer
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t data_offset = 0;   // kWrite
  BlockNo block;              // kBlocks
  uint64_t block_offset = 0;  // kBlocks
};

class Transaction {
 public:
  // `epoch` is the epoch that the changes belong to: of the layer being
  // destaged, or the current one. Borrows both.
  Transaction(IndexView& index, const RetainedEpochs& retained, Epoch epoch)
      : index_(index), retained_(retained), epoch_(epoch) {}

  [[nodiscard]] Epoch epoch() const { return epoch_; }

  // The newest value, with this transaction's own changes.
  Result<std::optional<std::string>> Get(Family family, std::string_view key);
  void Put(Family family, std::string key, std::string value);
  void Delete(Family family, std::string key);
  // For versioned keys: moves the old value to history where a snapshot needs
  // it. `value` is born in epoch().
  Status PutVersioned(const std::string& key, std::string value);
  Status DeleteVersioned(const std::string& key);
  // True when DeleteVersioned or PutVersioned would keep a value born in
  // `birth` for history.
  [[nodiscard]] bool MovesToHistory(Epoch birth) const;

  // This transaction's own changes of keys in [lower, upper), in order.
  void VisitChanges(
      Family family, std::string_view lower, std::string_view upper,
      const std::function<void(const std::string& key,
                               const std::optional<std::string>& value)>& visit)
      const;
  // Makes the changes of `other` as they are.
  void Absorb(const Transaction& other);
  // All changes, each key once, sorted by (family, key).
  using Changes =
      std::map<std::pair<Family, std::string>, std::optional<std::string>>;
  [[nodiscard]] const Changes& changes() const { return changes_; }
  [[nodiscard]] IndexView& index() { return index_; }

  void Add(const Effect& effect) { effects_.push_back(effect); }

  // Typed access; kCorruption of a record is passed on.
  Result<std::optional<InodeRecord>> GetInode(InodeId inode);
  Status PutInode(InodeId inode, InodeRecord record);  // sets the birth
  // Adds `delta` to the count of extents that name `block`; one that is left
  // without any is dead, one that is named again is not.
  Status Count(BlockNo block, int64_t delta);
  // Makes `block`, which no extent names, a dead one.
  Status Bury(BlockNo block);

  [[nodiscard]] const std::vector<Effect>& effects() const { return effects_; }
  [[nodiscard]] bool empty() const {
    return changes_.empty() && effects_.empty();
  }
  // About how long Encode's answer is.
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::string Encode() const;
  [[nodiscard]] IndexBatch Batch() const;

 private:
  using FullKey = std::pair<Family, std::string>;

  IndexView& index_;
  const RetainedEpochs& retained_;
  const Epoch epoch_;
  Changes changes_;
  Changes reads_;
  std::vector<Effect> effects_;
  uint64_t size_bytes_ = 16;
};

// What a record's metadata says. kCorruption when it is malformed.
struct DecodedTransaction {
  IndexBatch batch;
  std::vector<Effect> effects;
};
Result<DecodedTransaction> DecodeTransaction(std::string_view meta);

// Performs an effect on the map of its inode; `data` is the position of the
// record's data. The caller holds the stripe of the inode.
void ApplyEffect(const Effect& effect, const JournalPosition& data,
                 DirtyMap::Stripe& stripe) REQUIRES(stripe.mu);

// Adds what the local family derives from the batch's other changes: block ids
// and the members of packs.
// kCorruption when a block record is malformed.
Status AddDerived(IndexBatch* batch);

}  // namespace trefoil
