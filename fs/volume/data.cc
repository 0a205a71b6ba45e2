// SPDX-License-Identifier: Apache-2.0
// File data: reading through layers and extents, and changes as layers.
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "fs/index/keys.h"
#include "fs/volume/read_plan.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

// How often a read looks again because destage moved what it was reading.
constexpr int kMaxReadAttempts = 8;

// A writer on a full disk waits this long for what others have freed.
constexpr int64_t kMaxSpaceWaitNanos = 30'000'000'000;
constexpr auto kSpacePollInterval = std::chrono::milliseconds(50);

// The inode's record, twice where the old one moves to history.
constexpr uint64_t kWriteMetaBytes = 2048;

Status CheckRegular(const InodeRecord& inode) {
  if (S_ISDIR(inode.mode)) return Status::Posix(EISDIR);
  return S_ISREG(inode.mode) ? OkStatus() : Status::Posix(EINVAL);
}

Effect RangeEffect(EffectType type, const Transaction& tx, InodeId inode,
                   uint64_t offset, uint64_t length) {
  Effect effect;
  effect.type = type;
  effect.inode = inode;
  effect.epoch = tx.epoch();
  effect.offset = offset;
  effect.length = length;
  return effect;
}

// The inode after `length` bytes were written at `offset`.
void Extend(InodeRecord& inode, uint64_t offset, uint64_t length, int64_t now) {
  if (offset > inode.size_bytes) MakeSparse(inode);
  inode.size_bytes = std::max(inode.size_bytes, offset + length);
  inode.mtime_nanos = now;
  inode.ctime_nanos = now;
}

// What programs are told of holes is in units of this, as on ext4.
constexpr uint64_t kBlockBytes = 4096;

uint64_t RoundDown(uint64_t offset) { return offset & ~(kBlockBytes - 1); }
uint64_t RoundUp(uint64_t offset) {
  return RoundDown(offset + kBlockBytes - 1);
}

// A hole from `offset` on, for which room is said to be allocated or not.
void NoteHole(InodeRecord& inode, uint64_t offset, bool allocated) {
  const bool was_full =
      (inode.flags & kInodeSparse) == 0 || (inode.flags & kInodeAllocated) != 0;
  MakeSparse(inode);
  const bool adjoins = RoundDown(offset) <= RoundUp(inode.size_bytes);
  if (allocated && was_full && adjoins) inode.flags |= kInodeAllocated;
}

}  // namespace

Status VolumeImpl::ReadPartInto(const DirtyPiece& part, std::span<char> out) {
  if (const auto* position = std::get_if<JournalPosition>(&part.source)) {
    return core_->journal->ReadData(*position, out);
  }
  if (const auto* source = std::get_if<BlockSource>(&part.source)) {
    TREFOIL_ASSIGN(const auto block, blocks_.Read(source->block));
    if (source->offset + out.size() > block->size()) {
      return {StatusCode::kCorruption,
              "index: an extent reaches beyond block " +
                  std::to_string(source->block.value) + "; run fsck"};
    }
    std::memcpy(out.data(), block->data() + source->offset, out.size());
    return OkStatus();
  }
  std::memset(out.data(), 0, out.size());
  return OkStatus();
}

Status VolumeImpl::ReadParts(const std::vector<DirtyPiece>& parts,
                             uint64_t offset, std::span<char> out) {
  for (const DirtyPiece& part : parts) {
    TREFOIL_TRY(
        ReadPartInto(part, out.subspan(part.offset - offset, part.length)));
  }
  return OkStatus();
}

Result<size_t> VolumeImpl::Read(NodeId node, uint64_t offset,
                                std::span<char> out) {
  Status last;
  for (int attempt = 0; attempt < kMaxReadAttempts; ++attempt) {
    TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, node));
    TREFOIL_TRY(CheckRegular(view.inode));
    if (offset >= view.inode.size_bytes) return size_t{0};
    const size_t size =
        std::min<uint64_t>(out.size(), view.inode.size_bytes - offset);
    TREFOIL_ASSIGN(const auto parts,
                   PlanRead(*core_, node.inode(), offset, size, view.epoch));
    last = ReadParts(parts, offset, out.first(size));
    if (last.ok()) {
      lost_files_.NoteGood(node);
      return size;
    }
    if (!last.Is(StatusCode::kNotFound)) break;
  }
  lost_files_.Note(node, last);
  core_->NoteError(
      last.WithContext("reading inode " + std::to_string(node.inode().value)));
  return Status::Posix(EIO);
}

Status VolumeImpl::TakeSpace(uint64_t bytes) {
  const int64_t start = Monotonic();
  const uint64_t passes = committer_.collection_passes();
  for (;;) {
    Status taken =
        core_->space->Take(bytes, core_->dirty_bytes_estimate.load());
    if (taken.ok()) break;
    if (!committer_.MayMakeRoom(passes) ||
        Monotonic() - start > kMaxSpaceWaitNanos) {
      return taken;
    }
    std::this_thread::sleep_for(kSpacePollInterval);
  }
  const int64_t pace =
      core_->space->PaceNanosPerMiB(core_->dirty_bytes_estimate.load());
  if (pace > 0 && core_->options.background) {
    const auto cost = static_cast<int64_t>(std::max<uint64_t>(bytes, 4096));
    std::this_thread::sleep_for(
        std::chrono::nanoseconds(pace * cost / (1 << 20)));
  }
  return OkStatus();
}

Status VolumeImpl::CheckRoom(uint64_t bytes) {
  TREFOIL_TRY(TakeSpace(0));
  TREFOIL_ASSIGN(const VolumeSpace space, Space());
  return bytes <= space.available_bytes ? OkStatus() : Status::Posix(ENOSPC);
}

Status VolumeImpl::Write(NodeId node, uint64_t offset, std::string_view data,
                         const SetIdRule& set_id) {
  TREFOIL_TRY(CheckLive(node));
  if (data.empty()) return OkStatus();
  if (data.size() > kMaxWriteBytes) return Status::Posix(EINVAL);
  if (offset > kMaxFileBytes - data.size()) return Status::Posix(EFBIG);
  TREFOIL_TRY(TakeSpace(data.size()));
  const InodeId number = node.inode();
  VolumeCore::ChangeSpec spec;
  spec.inodes = {number};
  spec.meta_bytes = kWriteMetaBytes;
  spec.data = data;
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord inode, RequireInode(tx, number));
    TREFOIL_TRY(CheckRegular(inode));
    Extend(inode, offset, data.size(), Now());
    inode.mode = set_id.Apply(inode.mode, inode.gid);
    tx.Add(RangeEffect(EffectType::kWrite, tx, number, offset, data.size()));
    return tx.PutInode(number, inode);
  }));
  core_->dirty_bytes_estimate += data.size();
  return OkStatus();
}

Status VolumeImpl::Allocate(NodeId node, int mode, uint64_t offset,
                            uint64_t length, const SetIdRule& set_id) {
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE;
  constexpr int kZero = FALLOC_FL_ZERO_RANGE;
  TREFOIL_TRY(CheckLive(node));
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | kPunch | kZero)) != 0 ||
      ((mode & kPunch) != 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0)) {
    return Status::Posix(EOPNOTSUPP);
  }
  if (length == 0) return Status::Posix(EINVAL);
  if (offset > kMaxFileBytes || length > kMaxFileBytes - offset) {
    return Status::Posix(EFBIG);
  }
  const bool clears = (mode & (kPunch | kZero)) != 0;
  const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  if (!clears) TREFOIL_TRY(CheckRoom(length));
  const InodeId number = node.inode();
  VolumeCore::ChangeSpec spec;
  spec.inodes = {number};
  spec.urgent = (mode & kPunch) != 0;
  return core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord inode, RequireInode(tx, number));
    if (!S_ISREG(inode.mode)) return Status::Posix(ENODEV);
    const uint64_t end = std::min(offset + length, inode.size_bytes);
    if (clears && offset < end) {
      tx.Add(RangeEffect(EffectType::kHole, tx, number, offset, end - offset));
      NoteHole(inode, offset, (mode & kPunch) == 0);
    }
    if (!keeps_size && offset + length > inode.size_bytes) {
      NoteHole(inode, offset, true);
      inode.size_bytes = offset + length;
    }
    inode.mode = set_id.Apply(inode.mode, inode.gid);
    inode.mtime_nanos = inode.ctime_nanos = Now();
    return tx.PutInode(number, inode);
  });
}

Result<uint64_t> VolumeImpl::Seek(NodeId node, uint64_t offset, int whence) {
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, node));
  const uint64_t size = view.inode.size_bytes;
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Status::Posix(EINVAL);
  if (offset >= size) return Status::Posix(ENXIO);
  const bool sparse = (view.inode.flags & kInodeSparse) != 0;
  if (!sparse) return whence == SEEK_DATA ? offset : size;
  // SEEK_DATA ends at the first data, SEEK_HOLE where data stop following on.
  uint64_t at = RoundDown(offset);
  bool found = false;
  TREFOIL_TRY(VisitData(*core_, node.inode(), at, size, view.epoch,
                        [&](const ReadPart& part) {
                          const uint64_t start = RoundDown(part.offset);
                          found = true;
                          if (whence == SEEK_DATA) {
                            at = start;
                            return false;
                          }
                          if (start > at) return false;
                          at = RoundUp(part.offset + part.length);
                          return true;
                        }));
  if (whence == SEEK_DATA && !found) return Status::Posix(ENXIO);
  return std::clamp(at, offset, size);
}

Result<uint64_t> VolumeImpl::CopyBytes(NodeId from, uint64_t from_offset,
                                       NodeId to, uint64_t to_offset,
                                       uint64_t length,
                                       const SetIdRule& set_id) {
  std::string buffer(std::min(length, kMaxWriteBytes), '\0');
  TREFOIL_ASSIGN(const size_t size, Read(from, from_offset, buffer));
  TREFOIL_TRY(
      Write(to, to_offset, std::string_view(buffer).substr(0, size), set_id));
  return uint64_t{size};
}

Result<uint64_t> VolumeImpl::ShareParts(const std::vector<DirtyPiece>& parts,
                                        uint64_t from_offset, NodeId to,
                                        uint64_t to_offset,
                                        const SetIdRule& set_id) {
  const InodeId number = to.inode();
  VolumeCore::ChangeSpec spec;
  spec.inodes = {number};
  spec.meta_bytes = kXattrMetaBytes;  // many parts
  uint64_t copied = 0;
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord inode, RequireInode(tx, number));
    TREFOIL_TRY(CheckRegular(inode));
    for (const DirtyPiece& part : parts) {
      const uint64_t at = to_offset + (part.offset - from_offset);
      Effect effect =
          RangeEffect(EffectType::kHole, tx, number, at, part.length);
      if (const auto* block = std::get_if<BlockSource>(&part.source)) {
        // One that no extent names may be collected at any moment.
        TREFOIL_ASSIGN(const auto count,
                       tx.Get(Family::kLive, CountKey(block->block)));
        if (!count) return {StatusCode::kNotFound, "the block is dead"};
        effect.type = EffectType::kBlocks;
        effect.block = block->block;
        effect.block_offset = block->offset;
      } else {
        MakeSparse(inode);
      }
      tx.Add(effect);
      copied += part.length;
    }
    Extend(inode, to_offset, copied, Now());
    inode.mode = set_id.Apply(inode.mode, inode.gid);
    return tx.PutInode(number, inode);
  }));
  return copied;
}

Result<uint64_t> VolumeImpl::CopyRange(NodeId from, uint64_t from_offset,
                                       NodeId to, uint64_t to_offset,
                                       uint64_t length,
                                       const SetIdRule& set_id) {
  constexpr uint64_t kMaxCopyBytes = 64ULL << 20;
  constexpr size_t kMaxParts = 512;
  TREFOIL_TRY(CheckLive(to));
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, from));
  TREFOIL_TRY(CheckRegular(view.inode));
  if (from_offset >= view.inode.size_bytes) return uint64_t{0};
  length =
      std::min({length, view.inode.size_bytes - from_offset, kMaxCopyBytes});
  if (to_offset > kMaxFileBytes - length) return Status::Posix(EFBIG);
  TREFOIL_ASSIGN(auto parts, PlanRead(*core_, from.inode(), from_offset, length,
                                      view.epoch));
  // What is in blocks is shared; what is only in the journal is copied.
  const auto dirty =
      std::find_if(parts.begin(), parts.end(), [](const DirtyPiece& part) {
        return std::holds_alternative<JournalPosition>(part.source);
      });
  if (dirty == parts.begin()) {
    return CopyBytes(from, from_offset, to, to_offset,
                     std::min(length, dirty->length), set_id);
  }
  parts.erase(dirty, parts.end());
  if (parts.size() > kMaxParts) parts.resize(kMaxParts);
  auto shared = ShareParts(parts, from_offset, to, to_offset, set_id);
  if (!shared.status().Is(StatusCode::kNotFound)) return shared;
  return CopyBytes(from, from_offset, to, to_offset,
                   std::min(length, parts.front().length), set_id);
}

}  // namespace trefoil
