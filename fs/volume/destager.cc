// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/destager.h"

#include <algorithm>

#include "fs/index/keys.h"
#include "fs/volume/extents.h"
#include "fs/volume/pack_writer.h"

namespace trefoil {
namespace {

// Pending moves are applied when there are this many.
constexpr size_t kMaxPendingMoves = 4096;
// What may travel inside a commit instead of a pack of its own.
constexpr uint64_t kInlineBytes = 512ULL << 10;
constexpr size_t kInlineMoves = 512;
constexpr size_t kInlineOldExtents = 1000;
// Bytes gathered before chunks are cut; well above the largest chunk.
constexpr size_t kRunBufferBytes = 4U << 20;
// A transaction takes no further move above this.
constexpr uint64_t kFullTransactionBytes = 256ULL << 10;
// More old extents than this under one move are cleared ahead of it.
constexpr size_t kMaxOldExtents = 400;

}  // namespace

Destager::Destager(VolumeCore& core, const Chunker& chunker,
                   ObjectNumbers& numbers)
    : core_(core), chunker_(chunker), numbers_(numbers) {}

Status Destager::Run(Epoch epoch, bool blocks_in_commit) {
  // Layer by layer: extents must change in the order of epochs.
  std::map<Epoch, std::vector<InodeId>> layers;
  for (const InodeId inode : core_.dirty.DirtyInodes(epoch)) {
    DirtyMap::Stripe& stripe = core_.dirty.StripeOf(inode);
    ReaderLock lock(stripe.mu);
    const auto at = stripe.inodes.find(inode);
    if (at == stripe.inodes.end()) continue;
    for (const auto& [layer, pieces] : at->second.layers) {
      if (layer <= epoch) layers[layer].push_back(inode);
    }
  }
  for (const auto& [layer, inodes] : layers) {
    if (has_pending() && pending_layer() != layer) TREFOIL_TRY(FlushPack());
    for (const InodeId inode : inodes) TREFOIL_TRY(RunLayer(inode, layer));
  }
  if (!blocks_in_commit) return FlushPack();
  TREFOIL_ASSIGN(const bool small, PendingIsSmall());
  return small ? OkStatus() : FlushPack();
}

Result<bool> Destager::PendingIsSmall() {
  if (pending_bytes_ > kInlineBytes || moves_.size() > kInlineMoves) {
    return false;
  }
  // All of it has to fit one transaction, with the old extents that it clears.
  size_t old_extents = 0;
  for (const Move& move : moves_) {
    TREFOIL_ASSIGN(const auto old,
                   FirstLiveExtents(*core_.index, move.inode, move.offset,
                                    move.length, kInlineOldExtents));
    old_extents += old.size();
    if (old_extents >= kInlineOldExtents) return false;
  }
  return true;
}

Status Destager::RunLayer(InodeId inode, Epoch layer) {
  std::vector<DirtyPiece> pieces;
  {
    DirtyMap::Stripe& stripe = core_.dirty.StripeOf(inode);
    ReaderLock lock(stripe.mu);
    const auto at = stripe.inodes.find(inode);
    if (at == stripe.inodes.end()) return OkStatus();
    const auto found = at->second.layers.find(layer);
    if (found == at->second.layers.end()) return OkStatus();
    pieces = found->second.All();
  }
  for (const DirtyPiece& piece : pieces) {
    if (std::holds_alternative<JournalPosition>(piece.source)) {
      TREFOIL_TRY(AddBytes(inode, layer, piece));
      continue;
    }
    TREFOIL_TRY(CutChunks(true));
    Move move{inode, layer, piece.offset, piece.length, {}, 0};
    if (const auto* block = std::get_if<BlockSource>(&piece.source)) {
      move.block = block->block;
      move.block_offset = block->offset;
    }
    TREFOIL_TRY(AddMove(move));
  }
  return CutChunks(true);
}

Status Destager::AddBytes(InodeId inode, Epoch layer, const DirtyPiece& piece) {
  const bool continues = !run_.empty() && run_inode_ == inode &&
                         run_layer_ == layer &&
                         run_offset_ + run_.size() == piece.offset;
  if (!continues) {
    TREFOIL_TRY(CutChunks(true));
    run_inode_ = inode;
    run_layer_ = layer;
    run_offset_ = piece.offset;
  }
  const size_t old_size = run_.size();
  run_.resize(old_size + piece.length);
  TREFOIL_TRY(core_.journal->ReadData(std::get<JournalPosition>(piece.source),
                                      std::span<char>(run_).subspan(old_size)));
  return CutChunks(false);
}

Status Destager::CutChunks(bool end_of_run) {
  if (!end_of_run && run_.size() < kRunBufferBytes) return OkStatus();
  const size_t max_chunk = chunker_.options().max_bytes;
  std::string_view rest = run_;
  while (!rest.empty() && (end_of_run || rest.size() >= max_chunk)) {
    const size_t size = chunker_.FirstChunk(rest);
    TREFOIL_TRY(AddChunk(rest.substr(0, size)));
    rest.remove_prefix(size);
    run_offset_ += size;
  }
  run_.erase(0, run_.size() - rest.size());
  return OkStatus();
}

Result<BlockNo> Destager::KnownBlock(const Hash256& id) {
  if (const auto at = pending_ids_.find(std::string(id.view()));
      at != pending_ids_.end()) {
    return at->second;
  }
  TREFOIL_ASSIGN(const auto stored,
                 core_.index->Get(Family::kLocal, BlockIdKey(id)));
  if (!stored) return BlockNo();
  TREFOIL_ASSIGN(const uint64_t number, DecodeNumber(*stored));
  // The derived entry may outlive its block.
  TREFOIL_ASSIGN(const auto block,
                 core_.index->Get(Family::kLive, BlockKey(BlockNo(number))));
  return block ? BlockNo(number) : BlockNo();
}

Status Destager::AddChunk(std::string_view chunk) {
  const Hash256 id = HmacSha256(core_.identity.block_key.view(), chunk);
  TREFOIL_ASSIGN(BlockNo block, KnownBlock(id));
  if (block == BlockNo()) {
    block = numbers_.next_block;
    numbers_.next_block = block.Next();
    blocks_.push_back({block, id, std::string(chunk)});
    pending_ids_.emplace(std::string(id.view()), block);
    pending_bytes_ += chunk.size();
  }
  return AddMove({run_inode_, run_layer_, run_offset_, chunk.size(), block, 0});
}

Status Destager::AddMove(const Move& move) {
  moves_.push_back(move);
  if (pending_bytes_ < kPackBytes && moves_.size() < kMaxPendingMoves) {
    return OkStatus();
  }
  return FlushPack();
}

Status Destager::FlushPack() {
  if (!blocks_.empty()) {
    TREFOIL_ASSIGN(const WrittenPack written,
                   WritePack(core_, blocks_.size(), [this](size_t i) {
                     return std::string_view(blocks_[i].raw);
                   }));
    const PackNo pack = numbers_.next_pack;
    numbers_.next_pack = pack.Next();
    VolumeCore::ChangeSpec spec;
    spec.urgent = true;
    spec.by_operation = false;
    spec.meta_bytes = kMaxTransactionBytes;
    TREFOIL_TRY(core_.Change(spec, [&](Transaction& tx) -> Status {
      tx.Put(Family::kLive, PackNoKey(pack), written.record.Encode());
      BuildBlocks(tx, pack, written.locations);
      // Until a move names them.
      for (const PendingBlock& block : blocks_) {
        TREFOIL_TRY(tx.Bury(block.number));
      }
      changed_.Add(tx.Batch());
      return OkStatus();
    }));
    blocks_.clear();
    pending_ids_.clear();
    pending_bytes_ = 0;
  }
  return ApplyMoves();
}

void Destager::BuildBlocks(Transaction& tx, PackNo pack,
                           const std::vector<FrameLocation>& locations) {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const BlockRecord record{pack, locations[i], blocks_[i].id};
    tx.Put(Family::kLive, BlockKey(blocks_[i].number), record.Encode());
  }
  tx.Put(Family::kLive, CounterKey(kBlockCounter),
         EncodeNumber(numbers_.next_block.value));
  tx.Put(Family::kLive, CounterKey(kPackCounter),
         EncodeNumber(numbers_.next_pack.value));
}

Status Destager::BuildPending(Transaction& tx, PackNo pack,
                              const std::vector<FrameLocation>& locations) {
  BuildBlocks(tx, pack, locations);
  for (const Move& move : moves_) TREFOIL_TRY(BuildMove(tx, move));
  return OkStatus();
}

Status Destager::BuildMove(Transaction& tx, const Move& move) {
  TREFOIL_ASSIGN(const auto old,
                 FindExtentsIn(tx, move.inode, move.offset, move.length));
  TREFOIL_TRY(ClearRange(tx, move.inode, move.offset, move.length, old));
  if (move.block != BlockNo()) {
    TREFOIL_TRY(AddExtent(tx, move.inode, move.offset, move.length, move.block,
                          move.block_offset));
  }
  Effect effect;
  effect.type = EffectType::kDestaged;
  effect.inode = move.inode;
  effect.epoch = move.layer;
  effect.offset = move.offset;
  effect.length = move.length;
  tx.Add(effect);
  return OkStatus();
}

Status Destager::ThinOut(const Move& move) {
  for (;;) {
    TREFOIL_ASSIGN(const auto old,
                   FirstLiveExtents(*core_.index, move.inode, move.offset,
                                    move.length, kMaxOldExtents));
    if (old.size() < kMaxOldExtents) return OkStatus();
    // The layer still covers the range, so nobody sees it cleared.
    const uint64_t length =
        std::min(old.back().end(), move.offset + move.length) - move.offset;
    VolumeCore::ChangeSpec spec;
    spec.inodes = {move.inode};
    spec.urgent = true;
    spec.by_operation = false;
    spec.meta_bytes = kMaxTransactionBytes;
    TREFOIL_TRY(
        core_.ChangeInEpoch(spec, move.layer, [&](Transaction& tx) -> Status {
          TREFOIL_TRY(ClearRange(tx, move.inode, move.offset, length, old));
          changed_.Add(tx.Batch());
          return OkStatus();
        }));
  }
}

Status Destager::ApplyMoves() {
  for (const Move& move : moves_) TREFOIL_TRY(ThinOut(move));
  for (size_t next = 0; next < moves_.size();) {
    TREFOIL_TRY(ApplySomeMoves(next, &next));
  }
  moves_.clear();
  return OkStatus();
}

Status Destager::ApplySomeMoves(size_t first, size_t* next) {
  // The stripes of all moves that may come along are locked, so that readers
  // never see a range in neither place.
  constexpr size_t kMaxMoves = 256;
  const size_t end = std::min(moves_.size(), first + kMaxMoves);
  VolumeCore::ChangeSpec spec;
  for (size_t i = first; i < end; ++i) {
    if (spec.inodes.empty() || spec.inodes.back() != moves_[i].inode) {
      spec.inodes.push_back(moves_[i].inode);
    }
  }
  spec.urgent = true;
  spec.by_operation = false;
  spec.meta_bytes = kMaxTransactionBytes;
  size_t done = first;
  TREFOIL_TRY(core_.ChangeInEpoch(
      spec, moves_[first].layer, [&](Transaction& tx) -> Status {
        while (done < end && tx.size_bytes() < kFullTransactionBytes) {
          TREFOIL_TRY(BuildMove(tx, moves_[done]));
          ++done;
        }
        changed_.Add(tx.Batch());
        return OkStatus();
      }));
  *next = done;
  return OkStatus();
}

}  // namespace trefoil
