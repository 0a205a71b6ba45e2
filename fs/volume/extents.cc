// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/extents.h"

#include <algorithm>
#include <map>

#include "fs/index/keys.h"

namespace trefoil {
namespace {

// Where a search for what covers `offset` begins.
uint64_t SearchStart(uint64_t offset) {
  return offset - std::min(offset, kMaxExtentBytes);
}

Result<std::vector<FoundExtent>> FindLive(IndexView& index, InodeId inode,
                                          uint64_t offset, uint64_t end,
                                          size_t limit) {
  std::vector<FoundExtent> found;
  auto cursor = index.NewCursor(Family::kLive, ExtentKey(inode, 0),
                                ExtentKey(inode, end));
  cursor->SeekBack(ExtentKey(inode, offset));
  if (!cursor->Valid()) cursor->Seek(ExtentKey(inode, offset));
  for (; cursor->Valid() && found.size() < limit; cursor->Next()) {
    const uint64_t at = NumberInKey(cursor->key(), 9);
    TREFOIL_ASSIGN(ExtentRecord record, ExtentRecord::Decode(cursor->value()));
    if (at + record.length > offset) found.push_back({at, record});
  }
  TREFOIL_TRY(cursor->status());
  return found;
}

}  // namespace

Result<std::vector<FoundExtent>> FindExtents(IndexView& index, InodeId inode,
                                             uint64_t offset, uint64_t length,
                                             Epoch epoch) {
  const uint64_t end = offset + length;
  if (epoch == kLiveEpoch) {
    return FindLive(index, inode, offset, end, SIZE_MAX);
  }
  std::vector<FoundExtent> found;
  Status bad;
  TREFOIL_TRY(VisitAt(index, ExtentKey(inode, SearchStart(offset)),
                      ExtentKey(inode, end), epoch,
                      [&](std::string_view key, std::string_view value) {
                        auto record = ExtentRecord::Decode(value);
                        if (!record.ok()) {
                          bad = record.status();
                          return false;
                        }
                        const uint64_t at = NumberInKey(key, 9);
                        if (at + record->length > offset)
                          found.push_back({at, *record});
                        return true;
                      }));
  TREFOIL_TRY(bad);
  return found;
}

Result<std::vector<FoundExtent>> FirstLiveExtents(IndexView& index,
                                                  InodeId inode,
                                                  uint64_t offset,
                                                  uint64_t length,
                                                  size_t limit) {
  return FindLive(index, inode, offset, offset + length, limit);
}

Result<std::optional<uint64_t>> NextExtent(IndexView& index, InodeId inode,
                                           uint64_t offset, Epoch epoch) {
  std::optional<uint64_t> next;
  TREFOIL_TRY(VisitAt(index, ExtentKey(inode, offset),
                      AfterPrefix(KeyOf('E', inode.value)), epoch,
                      [&](std::string_view key, std::string_view) {
                        next = NumberInKey(key, 9);
                        return false;
                      }));
  return next;
}

Result<std::vector<FoundExtent>> FindExtentsIn(Transaction& tx, InodeId inode,
                                               uint64_t offset,
                                               uint64_t length) {
  const uint64_t end = offset + length;
  TREFOIL_ASSIGN(const auto stored,
                 FindLive(tx.index(), inode, offset, end, SIZE_MAX));
  std::map<uint64_t, ExtentRecord> found;
  for (const FoundExtent& extent : stored) {
    found.emplace(extent.offset, extent.record);
  }
  Status bad;
  tx.VisitChanges(
      Family::kLive, ExtentKey(inode, SearchStart(offset)),
      ExtentKey(inode, end),
      [&](const std::string& key, const std::optional<std::string>& value) {
        const uint64_t at = NumberInKey(key, 9);
        found.erase(at);
        if (!value) return;
        const auto record = ExtentRecord::Decode(*value);
        if (!record.ok()) {
          bad = record.status();
        } else if (at + record->length > offset) {
          found.emplace(at, *record);
        }
      });
  TREFOIL_TRY(bad);
  std::vector<FoundExtent> extents;
  for (const auto& [at, record] : found) {
    extents.push_back({at, record});
  }
  return extents;
}

namespace {

// Drops the record of `extent` from the live tree. Its reference lives on in
// history, or ends here.
Status RemoveExtent(Transaction& tx, InodeId inode, const FoundExtent& extent) {
  const bool kept = tx.MovesToHistory(extent.record.birth);
  TREFOIL_TRY(tx.DeleteVersioned(ExtentKey(inode, extent.offset)));
  return kept ? OkStatus() : tx.Count(extent.record.block, -1);
}

}  // namespace

Status ClearRange(Transaction& tx, InodeId inode, uint64_t offset,
                  uint64_t length, const std::vector<FoundExtent>& live) {
  const uint64_t end = offset + length;
  for (const FoundExtent& extent : live) {
    TREFOIL_TRY(RemoveExtent(tx, inode, extent));
    const ExtentRecord& old = extent.record;
    if (extent.offset < offset) {
      TREFOIL_TRY(AddExtent(tx, inode, extent.offset, offset - extent.offset,
                            old.block, old.block_offset));
    }
    if (extent.end() > end) {
      TREFOIL_TRY(AddExtent(tx, inode, end, extent.end() - end, old.block,
                            old.block_offset + (end - extent.offset)));
    }
  }
  return OkStatus();
}

Status AddExtent(Transaction& tx, InodeId inode, uint64_t offset,
                 uint64_t length, BlockNo block, uint64_t block_offset) {
  ExtentRecord record;
  record.birth = tx.epoch();
  record.length = length;
  record.block = block;
  record.block_offset = block_offset;
  TREFOIL_TRY(tx.PutVersioned(ExtentKey(inode, offset), record.Encode()));
  return tx.Count(block, 1);
}

}  // namespace trefoil
