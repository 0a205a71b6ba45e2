// SPDX-License-Identifier: Apache-2.0
// Rename, with the flags of renameat2(2).
#include <linux/fs.h>

#include <cerrno>

#include "fs/volume/directory.h"
#include "fs/volume/names.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

bool IsDirectory(const InodeRecord& inode) {
  return (inode.mode & S_IFMT) == S_IFDIR;
}

// One rename while it is decided. All under the sequencer's lock.
class RenameChange {
 public:
  RenameChange(VolumeCore& core, Transaction& tx, int64_t now)
      : core_(core), tx_(tx), now_(now) {}

  struct Side {
    InodeId directory;
    std::string_view name;
    std::optional<FoundEntry> entry;
    InodeRecord inode;  // of the entry, if there is one
  };

  Status Run(Side from, Side to, uint32_t flags);
  // The inode that lost its last name, if one did.
  [[nodiscard]] InodeId orphan() const { return orphan_; }

 private:
  Status Find(Side& side);
  Status CheckReplace(const Side& from, const Side& to) const;
  // EINVAL when `inner` lies below `directory` (or is it).
  Status CheckNotBelow(InodeId directory, InodeId inner);
  Status PutEntry(const Side& at, const FoundEntry& entry);
  Status MoveInode(const Side& moved, InodeId new_parent);
  Status Exchange(Side& from, Side& to);
  Status Move(Side& from, Side& to, bool whiteout);
  Status TouchParents(const Side& from, const Side& to, int from_links,
                      int to_links);

  VolumeCore& core_;
  Transaction& tx_;
  const int64_t now_;
  InodeId orphan_;
};

Status RenameChange::Find(Side& side) {
  TREFOIL_TRY(RequireDirectory(tx_, side.directory).status());
  TREFOIL_ASSIGN(side.entry, FindEntry(*core_.index, core_.identity.name_key,
                                       side.directory, side.name, kLiveEpoch));
  if (side.entry) {
    TREFOIL_ASSIGN(side.inode, RequireInode(tx_, side.entry->record.inode));
  }
  return OkStatus();
}

Status RenameChange::CheckNotBelow(InodeId directory, InodeId inner) {
  while (inner != kRootInode) {
    if (inner == directory) return Status::Posix(EINVAL);
    TREFOIL_ASSIGN(const InodeRecord inode, RequireInode(tx_, inner));
    inner = inode.parent;
  }
  return OkStatus();
}

Status RenameChange::CheckReplace(const Side& from, const Side& to) const {
  if (!to.entry) return OkStatus();
  if (IsDirectory(from.inode) && !IsDirectory(to.inode)) {
    return Status::Posix(ENOTDIR);
  }
  if (!IsDirectory(from.inode) && IsDirectory(to.inode)) {
    return Status::Posix(EISDIR);
  }
  if (!IsDirectory(to.inode)) return OkStatus();
  TREFOIL_ASSIGN(const bool empty,
                 IsEmptyDirectory(*core_.index, to.entry->record.inode));
  return empty ? OkStatus() : Status::Posix(ENOTEMPTY);
}

Status RenameChange::Run(Side from, Side to, uint32_t flags) {
  TREFOIL_TRY(Find(from));
  TREFOIL_TRY(Find(to));
  if (!from.entry) return Status::Posix(ENOENT);
  if (to.entry && (flags & RENAME_NOREPLACE) != 0) {
    return Status::Posix(EEXIST);
  }
  if (!to.entry && (flags & RENAME_EXCHANGE) != 0) {
    return Status::Posix(ENOENT);
  }
  // Two names of one inode: nothing to do, says POSIX.
  if (to.entry && to.entry->record.inode == from.entry->record.inode) {
    return OkStatus();
  }
  if (IsDirectory(from.inode)) {
    TREFOIL_TRY(CheckNotBelow(from.entry->record.inode, to.directory));
  }
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (IsDirectory(to.inode)) {
      TREFOIL_TRY(CheckNotBelow(to.entry->record.inode, from.directory));
    }
    return Exchange(from, to);
  }
  TREFOIL_TRY(CheckReplace(from, to));
  return Move(from, to, (flags & RENAME_WHITEOUT) != 0);
}

Status RenameChange::PutEntry(const Side& at, const FoundEntry& entry) {
  DirentRecord record = entry.record;
  record.birth = tx_.epoch();
  record.name = at.name;
  if (at.entry) {
    record.name = at.entry->record.name;
    return tx_.PutVersioned(DirentKey(at.directory, at.entry->position),
                            record.Encode());
  }
  return AddEntry(tx_, *core_.index, core_.identity.name_key, at.directory,
                  at.name, record.inode,
                  static_cast<uint32_t>(record.type) << 12);
}

Status RenameChange::MoveInode(const Side& moved, InodeId new_parent) {
  InodeRecord inode = moved.inode;
  inode.ctime_nanos = now_;
  if (IsDirectory(inode)) inode.parent = new_parent;
  return tx_.PutInode(moved.entry->record.inode, inode);
}

Status RenameChange::TouchParents(const Side& from, const Side& to,
                                  int from_links, int to_links) {
  const auto touch = [this](InodeId directory, int links) -> Status {
    TREFOIL_ASSIGN(InodeRecord parent, RequireInode(tx_, directory));
    parent.nlink =
        static_cast<uint32_t>(static_cast<int64_t>(parent.nlink) + links);
    if (links > 0 && parent.nlink > kMaxLinks) return Status::Posix(EMLINK);
    TouchDirectory(parent, now_);
    return tx_.PutInode(directory, parent);
  };
  TREFOIL_TRY(touch(from.directory, from_links));
  return touch(to.directory, to_links);
}

Status RenameChange::Exchange(Side& from, Side& to) {
  TREFOIL_TRY(PutEntry(to, *from.entry));
  TREFOIL_TRY(PutEntry(from, *to.entry));
  TREFOIL_TRY(MoveInode(from, to.directory));
  TREFOIL_TRY(MoveInode(to, from.directory));
  const int moved =
      (IsDirectory(from.inode) ? 1 : 0) - (IsDirectory(to.inode) ? 1 : 0);
  return TouchParents(from, to, -moved, moved);
}

Status RenameChange::Move(Side& from, Side& to, bool whiteout) {
  TREFOIL_TRY(PutEntry(to, *from.entry));
  const std::string old_key = DirentKey(from.directory, from.entry->position);
  if (whiteout) {
    InodeRecord device;
    device.mode = S_IFCHR;
    device.nlink = 1;
    device.atime_nanos = device.mtime_nanos = now_;
    device.ctime_nanos = device.btime_nanos = now_;
    core_.sequencer_mu.AssertHeld();
    const InodeId number = core_.NewInode(tx_);
    TREFOIL_TRY(tx_.PutInode(number, device));
    DirentRecord record{tx_.epoch(), number, DirentType(device.mode),
                        from.entry->record.name};
    TREFOIL_TRY(tx_.PutVersioned(old_key, record.Encode()));
  } else {
    TREFOIL_TRY(tx_.DeleteVersioned(old_key));
  }
  int to_links = IsDirectory(from.inode) ? 1 : 0;
  if (to.entry) {
    if (IsDirectory(to.inode)) --to_links;
    const InodeId replaced = to.entry->record.inode;
    TREFOIL_TRY(DropName(tx_, replaced, to.inode, now_));
    if (to.inode.nlink == 0) orphan_ = replaced;
  }
  TREFOIL_TRY(MoveInode(from, to.directory));
  return TouchParents(from, to, IsDirectory(from.inode) ? -1 : 0, to_links);
}

}  // namespace

Status VolumeImpl::Rename(NodeId from_directory, std::string_view from_name,
                          NodeId to_directory, std::string_view to_name,
                          uint32_t flags) {
  constexpr uint32_t kKnown =
      RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if ((flags & ~kKnown) != 0 ||
      (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0)) {
    return Status::Posix(EINVAL);
  }
  if (from_directory.snapshot() != to_directory.snapshot()) {
    return Status::Posix(EXDEV);
  }
  TREFOIL_TRY(CheckLive(from_directory));
  for (const std::string_view name : {from_name, to_name}) {
    if (name == "." || name == "..") return Status::Posix(EBUSY);
    TREFOIL_TRY(CheckName(name));
    if (name == kSnapshotsName) return Status::Posix(EROFS);
  }
  InodeId orphan;
  TREFOIL_TRY(core_->Change({}, [&](Transaction& tx) -> Status {
    RenameChange change(*core_, tx, Now());
    TREFOIL_TRY(change.Run({from_directory.inode(), from_name, {}, {}},
                           {to_directory.inode(), to_name, {}, {}}, flags));
    orphan = change.orphan();
    return OkStatus();
  }));
  if (orphan != InodeId()) references_.AddOrphan(orphan);
  return OkStatus();
}

}  // namespace trefoil
