// SPDX-License-Identifier: Apache-2.0
// Attributes of inodes.
#include <algorithm>
#include <cerrno>

#include "fs/volume/posix_acl.h"
#include "fs/volume/read_plan.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

uint64_t BlocksOf(uint64_t bytes) { return bytes / 512 + (bytes % 512 != 0); }

// Allocated bytes of a file that may have holes.
Result<uint64_t> CountAllocated(VolumeCore& core, NodeId node,
                                const InodeRecord& inode, Epoch epoch) {
  uint64_t bytes = 0;
  TREFOIL_TRY(VisitData(core, node.inode(), 0, inode.size_bytes, epoch,
                        [&bytes](const ReadPart& part) {
                          bytes += part.length;
                          return true;
                        }));
  return bytes;
}

}  // namespace

uint32_t SetIdRule::Apply(uint32_t mode, uint32_t gid) const {
  if (!keeps_group || (mode & (S_ISUID | S_ISGID)) == 0) return mode;
  const bool is_lock = (mode & S_ISGID) != 0 && (mode & S_IXGRP) == 0;
  uint32_t cleared = mode & ~uint32_t{S_ISUID};
  if (!is_lock || !keeps_group(gid)) cleared &= ~uint32_t{S_ISGID};
  if (cleared != mode && on_cleared) on_cleared();
  return cleared;
}

Result<Attr> VolumeImpl::AttrOf(NodeId node, const InodeRecord& inode,
                                Epoch epoch) {
  Attr attr;
  attr.node = node;
  attr.mode = inode.mode;
  attr.nlink = inode.nlink;
  attr.uid = inode.uid;
  attr.gid = inode.gid;
  attr.rdev = inode.rdev;
  attr.size_bytes = inode.size_bytes;
  attr.blocks_512 = S_ISREG(inode.mode) ? BlocksOf(inode.size_bytes) : 0;
  attr.atime_nanos = inode.atime_nanos;
  attr.mtime_nanos = inode.mtime_nanos;
  attr.ctime_nanos = inode.ctime_nanos;
  attr.btime_nanos = inode.btime_nanos;
  if (S_ISREG(inode.mode) &&
      (inode.flags & (kInodeSparse | kInodeAllocated)) == kInodeSparse) {
    TREFOIL_ASSIGN(const uint64_t bytes,
                   CountAllocated(*core_, node, inode, epoch));
    attr.blocks_512 = BlocksOf(bytes);
  }
  return attr;
}

Result<Attr> VolumeImpl::VirtualAttr(NodeId node) {
  TREFOIL_ASSIGN(const InodeView view,
                 LoadInode(*core_, NodeId::Make(kLiveTree, node.inode())));
  if (!S_ISDIR(view.inode.mode)) return Status::Posix(ENOTDIR);
  Attr attr;
  attr.node = node;
  // Whoever may enter the directory may look at its snapshots; what is inside
  // them keeps its own permissions.
  attr.mode = S_IFDIR | 0555;
  attr.nlink = 2;
  attr.uid = view.inode.uid;
  attr.gid = view.inode.gid;
  attr.atime_nanos = attr.mtime_nanos = view.inode.btime_nanos;
  attr.ctime_nanos = attr.btime_nanos = view.inode.btime_nanos;
  return attr;
}

Result<Attr> VolumeImpl::GetAttr(NodeId node) {
  if (node.snapshot() == kSnapshotsDirectory) return VirtualAttr(node);
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, node));
  return AttrOf(node, view.inode, view.epoch);
}

Result<std::string> VolumeImpl::ReadLink(NodeId node) {
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, node));
  if (!S_ISLNK(view.inode.mode)) return Status::Posix(EINVAL);
  return view.inode.symlink_target;
}

namespace {

// chmod keeps a stored access ACL in step with the mode.
Status ChangeAcl(Transaction& tx, InodeId number, uint32_t mode) {
  const std::string key = XattrKey(number, kAclAccessXattr);
  TREFOIL_ASSIGN(const auto stored, tx.Get(Family::kLive, key));
  if (!stored) return OkStatus();
  TREFOIL_ASSIGN(XattrRecord record, XattrRecord::Decode(*stored));
  TREFOIL_ASSIGN(const Acl acl, ParseAcl(record.value));
  record.birth = tx.epoch();
  record.value = EncodeAcl(ChangeModeOfAcl(acl, mode));
  return tx.PutVersioned(key, record.Encode());
}

Status ChangeMode(const AttrChange& change, InodeId number, Transaction& tx,
                  InodeRecord& inode) {
  if (S_ISLNK(inode.mode)) return Status::Posix(EOPNOTSUPP);
  const uint32_t mode = *change.mode & 07777;
  inode.mode = (inode.mode & S_IFMT) | mode;
  return ChangeAcl(tx, number, mode);
}

void ChangeSize(uint64_t size, InodeId number, int64_t now, Transaction& tx,
                InodeRecord& inode) {
  if (size < inode.size_bytes) {
    // What was beyond must read as zeros if the file grows again.
    Effect hole;
    hole.type = EffectType::kHole;
    hole.inode = number;
    hole.epoch = tx.epoch();
    hole.offset = size;
    hole.length = inode.size_bytes - size;
    tx.Add(hole);
  } else if (size > inode.size_bytes) {
    MakeSparse(inode);
  }
  if (size == 0) inode.flags &= ~(kInodeSparse | kInodeAllocated);
  inode.size_bytes = size;
  inode.mtime_nanos = now;
}

}  // namespace

Status VolumeImpl::Apply(const AttrChange& change, InodeId number,
                         Transaction& tx, InodeRecord& inode) {
  const int64_t now = Now();
  if (!S_ISDIR(inode.mode)) {
    inode.mode = change.set_id.Apply(inode.mode, inode.gid);
  }
  if (change.uid) inode.uid = *change.uid;
  if (change.gid) inode.gid = *change.gid;
  if (change.mode) TREFOIL_TRY(ChangeMode(change, number, tx, inode));
  if (change.size_bytes) {
    if (S_ISDIR(inode.mode)) return Status::Posix(EISDIR);
    if (!S_ISREG(inode.mode)) return Status::Posix(EINVAL);
    if (*change.size_bytes > kMaxFileBytes) return Status::Posix(EFBIG);
    ChangeSize(*change.size_bytes, number, now, tx, inode);
  }
  if (change.atime_now) inode.atime_nanos = now;
  if (change.mtime_now) inode.mtime_nanos = now;
  if (change.atime_nanos) inode.atime_nanos = *change.atime_nanos;
  if (change.mtime_nanos) inode.mtime_nanos = *change.mtime_nanos;
  inode.ctime_nanos = now;
  return OkStatus();
}

Result<Attr> VolumeImpl::SetAttr(NodeId node, const AttrChange& change) {
  TREFOIL_TRY(CheckLive(node));
  const InodeId number = node.inode();
  InodeRecord inode;
  VolumeCore::ChangeSpec spec;
  spec.meta_bytes = kXattrMetaBytes;  // an ACL may be rewritten
  spec.urgent = change.size_bytes.has_value();
  if (change.size_bytes) spec.inodes = {number};
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(inode, RequireInode(tx, number));
    TREFOIL_TRY(Apply(change, number, tx, inode));
    return tx.PutInode(number, inode);
  }));
  return AttrOf(node, inode, kLiveEpoch);
}

}  // namespace trefoil
