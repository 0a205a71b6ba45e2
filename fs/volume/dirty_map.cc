// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/dirty_map.h"

#include <algorithm>

namespace trefoil {
namespace {

// `source`, `skip` bytes further on.
DirtySource Advance(DirtySource source, uint64_t skip) {
  if (auto* position = std::get_if<JournalPosition>(&source)) {
    position->data_offset += static_cast<uint32_t>(skip);
  } else if (auto* block = std::get_if<BlockSource>(&source)) {
    block->offset += skip;
  }
  return source;
}

// The part of `piece` inside [begin, end); they intersect.
DirtyPiece Clip(const DirtyPiece& piece, uint64_t begin, uint64_t end) {
  const uint64_t from = std::max(piece.offset, begin);
  const uint64_t to = std::min(piece.offset + piece.length, end);
  return {from, to - from, Advance(piece.source, from - piece.offset)};
}

bool InJournal(const DirtySource& source) {
  return std::holds_alternative<JournalPosition>(source);
}

}  // namespace

void DirtyLayer::SplitAt(uint64_t offset) {
  auto at = pieces_.upper_bound(offset);
  if (at == pieces_.begin()) return;
  --at;
  const uint64_t begin = at->first;
  if (begin == offset || begin + at->second.length <= offset) return;
  const uint64_t head = offset - begin;
  pieces_.emplace(offset, Value{at->second.length - head,
                                Advance(at->second.source, head)});
  at->second.length = head;
}

void DirtyLayer::Remove(uint64_t offset, uint64_t length) {
  SplitAt(offset);
  SplitAt(offset + length);
  auto at = pieces_.lower_bound(offset);
  while (at != pieces_.end() && at->first < offset + length) {
    if (InJournal(at->second.source)) journal_bytes_ -= at->second.length;
    at = pieces_.erase(at);
  }
}

void DirtyLayer::Insert(const DirtyPiece& piece) {
  if (piece.length == 0) return;
  Remove(piece.offset, piece.length);
  pieces_.emplace(piece.offset, Value{piece.length, piece.source});
  if (InJournal(piece.source)) journal_bytes_ += piece.length;
}

std::vector<DirtyPiece> DirtyLayer::Find(uint64_t offset,
                                         uint64_t length) const {
  std::vector<DirtyPiece> found;
  const uint64_t end = offset + length;
  auto at = pieces_.upper_bound(offset);
  if (at != pieces_.begin()) --at;
  for (; at != pieces_.end() && at->first < end; ++at) {
    if (at->first + at->second.length <= offset) continue;
    found.push_back(
        Clip({at->first, at->second.length, at->second.source}, offset, end));
  }
  return found;
}

std::vector<DirtyPiece> DirtyLayer::All() const {
  std::vector<DirtyPiece> all;
  all.reserve(pieces_.size());
  for (const auto& [offset, value] : pieces_) {
    all.push_back({offset, value.length, value.source});
  }
  return all;
}

void DirtyLayer::AddBlocksTo(std::unordered_set<BlockNo>* blocks) const {
  for (const auto& [offset, value] : pieces_) {
    if (const auto* source = std::get_if<BlockSource>(&value.source)) {
      blocks->insert(source->block);
    }
  }
}

std::vector<DirtyPiece> InodeDirty::Resolve(uint64_t offset, uint64_t length,
                                            Epoch epoch) const {
  std::vector<const DirtyLayer*> visible;
  for (const auto& [born, layer] : layers) {
    if (born <= epoch) visible.push_back(&layer);
  }
  if (visible.empty()) return {};
  if (visible.size() == 1) return visible.front()->Find(offset, length);
  // Painting oldest first leaves what the newest layers show.
  DirtyLayer painted;
  for (const DirtyLayer* layer : visible) {
    for (const DirtyPiece& piece : layer->Find(offset, length)) {
      painted.Insert(piece);
    }
  }
  return painted.All();
}

std::vector<InodeId> DirtyMap::DirtyInodes(Epoch epoch) {
  std::vector<InodeId> found;
  for (Stripe& stripe : stripes_) {
    ReaderLock lock(stripe.mu);
    for (const auto& [inode, dirty] : stripe.inodes) {
      if (!dirty.layers.empty() && dirty.layers.begin()->first <= epoch) {
        found.push_back(inode);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

uint64_t DirtyMap::JournalBytes() {
  uint64_t bytes = 0;
  for (Stripe& stripe : stripes_) {
    ReaderLock lock(stripe.mu);
    for (const auto& [inode, dirty] : stripe.inodes) {
      for (const auto& [epoch, layer] : dirty.layers) {
        bytes += layer.journal_bytes();
      }
    }
  }
  return bytes;
}

std::unordered_set<BlockNo> DirtyMap::ReferencedBlocks() {
  std::unordered_set<BlockNo> blocks;
  for (Stripe& stripe : stripes_) {
    ReaderLock lock(stripe.mu);
    for (const auto& [inode, dirty] : stripe.inodes) {
      for (const auto& [epoch, layer] : dirty.layers) {
        layer.AddBlocksTo(&blocks);
      }
    }
  }
  return blocks;
}

}  // namespace trefoil
