// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/read_plan.h"

#include <algorithm>

#include "fs/volume/extents.h"

namespace trefoil {
namespace {

bool IsHole(const ReadPart& part) {
  return std::holds_alternative<HoleSource>(part.source);
}

void AddHole(std::vector<ReadPart>* parts, uint64_t from, uint64_t to) {
  if (from < to) parts->push_back({from, to - from, HoleSource{}});
}

// Fills [from, to), which no layer covers, from the extents.
void AddExtents(std::vector<ReadPart>* parts, uint64_t from, uint64_t to,
                const std::vector<FoundExtent>& extents) {
  auto extent = std::lower_bound(
      extents.begin(), extents.end(), from,
      [](const FoundExtent& e, uint64_t at) { return e.end() <= at; });
  for (; extent != extents.end() && extent->offset < to; ++extent) {
    const uint64_t begin = std::max(from, extent->offset);
    const uint64_t end = std::min(to, extent->end());
    AddHole(parts, from, begin);
    parts->push_back(
        {begin, end - begin,
         BlockSource{extent->record.block,
                     extent->record.block_offset + (begin - extent->offset)}});
    from = end;
  }
  AddHole(parts, from, to);
}

// True when `pieces` cover all of [offset, offset + length).
bool Cover(const std::vector<DirtyPiece>& pieces, uint64_t length) {
  uint64_t covered = 0;
  for (const DirtyPiece& piece : pieces) covered += piece.length;
  return covered == length;
}

// Start of the first piece of a visible layer at or after `offset`.
std::optional<uint64_t> NextPiece(VolumeCore& core, InodeId inode,
                                  uint64_t offset, uint64_t end, Epoch epoch) {
  DirtyMap::Stripe& stripe = core.dirty.StripeOf(inode);
  ReaderLock lock(stripe.mu);
  const auto at = stripe.inodes.find(inode);
  if (at == stripe.inodes.end()) return std::nullopt;
  const auto pieces = at->second.Resolve(offset, end - offset, epoch);
  for (const DirtyPiece& piece : pieces) {
    if (!IsHole(piece)) return piece.offset;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<ReadPart>> PlanRead(VolumeCore& core, InodeId inode,
                                       uint64_t offset, uint64_t length,
                                       Epoch epoch) {
  DirtyMap::Stripe& stripe = core.dirty.StripeOf(inode);
  std::vector<DirtyPiece> pieces;
  std::vector<FoundExtent> extents;
  {
    // Destage moves ranges from layers to extents under the same lock.
    ReaderLock lock(stripe.mu);
    if (const auto at = stripe.inodes.find(inode); at != stripe.inodes.end()) {
      pieces = at->second.Resolve(offset, length, epoch);
    }
    if (Cover(pieces, length)) return pieces;
    TREFOIL_ASSIGN(extents,
                   FindExtents(*core.index, inode, offset, length, epoch));
  }
  std::vector<ReadPart> parts;
  uint64_t at = offset;
  for (const DirtyPiece& piece : pieces) {
    if (at < piece.offset) AddExtents(&parts, at, piece.offset, extents);
    parts.push_back(piece);
    at = piece.offset + piece.length;
  }
  if (at < offset + length) AddExtents(&parts, at, offset + length, extents);
  return parts;
}

Status VisitData(VolumeCore& core, InodeId inode, uint64_t offset, uint64_t end,
                 Epoch epoch,
                 const std::function<bool(const ReadPart&)>& visit) {
  constexpr uint64_t kWindowBytes = 64ULL << 20;
  while (offset < end) {
    const uint64_t window = std::min(kWindowBytes, end - offset);
    TREFOIL_ASSIGN(const auto parts,
                   PlanRead(core, inode, offset, window, epoch));
    bool any = false;
    for (const ReadPart& part : parts) {
      if (IsHole(part)) continue;
      any = true;
      if (!visit(part)) return OkStatus();
    }
    offset += window;
    if (any || offset >= end) continue;
    // Nothing here: go on where the next bytes can be.
    TREFOIL_ASSIGN(const auto extent,
                   NextExtent(*core.index, inode, offset, epoch));
    const auto piece = NextPiece(core, inode, offset, end, epoch);
    // An extent may begin before the window's end and reach into the next.
    offset = std::min({end, extent.value_or(end), piece.value_or(end)});
  }
  return OkStatus();
}

}  // namespace trefoil
