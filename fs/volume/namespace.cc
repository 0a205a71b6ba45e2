// SPDX-License-Identifier: Apache-2.0
// Names: look-up, making and removing.
#include <cerrno>
#include <optional>

#include "fs/volume/directory.h"
#include "fs/volume/names.h"
#include "fs/volume/posix_acl.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

bool IsDirectory(uint32_t mode) { return (mode & S_IFMT) == S_IFDIR; }

bool IsVirtual(NodeId node) { return node.snapshot() == kSnapshotsDirectory; }

// Checks what every change of a directory needs.
Status CheckChange(NodeId directory, std::string_view name) {
  TREFOIL_TRY(CheckLive(directory));
  TREFOIL_TRY(CheckName(name));
  // The virtual directory can't be made, replaced or removed.
  return name == kSnapshotsName ? Status::Posix(EROFS) : OkStatus();
}

}  // namespace

Result<Entry> VolumeImpl::Lookup(NodeId directory, std::string_view name) {
  if (IsVirtual(directory)) return LookupSnapshot(directory, name);
  if (name.size() > kMaxNameBytes) return Status::Posix(ENAMETOOLONG);
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, directory));
  // `.` of any inode is how the kernel opens one by its handle, which dies
  // with the last name.
  if (name == "." && view.inode.nlink == 0) return Status::Posix(ESTALE);
  if (name != "." && !IsDirectory(view.inode.mode)) {
    return Status::Posix(ENOTDIR);
  }
  if (name == kSnapshotsName) {
    if (directory.snapshot() != kLiveTree) return Status::Posix(ENOENT);
    const NodeId node = NodeId::Make(kSnapshotsDirectory, directory.inode());
    TREFOIL_ASSIGN(Attr attr, VirtualAttr(node));
    return Entry{attr};
  }
  NodeId node = directory;
  if (name == "..") {
    node = NodeId::Make(directory.snapshot(), view.inode.parent);
  } else if (name != ".") {
    TREFOIL_ASSIGN(const auto found,
                   FindEntry(*core_->index, core_->identity.name_key,
                             directory.inode(), name, view.epoch));
    if (!found) return Status::Posix(ENOENT);
    node = NodeId::Make(directory.snapshot(), found->record.inode);
  }
  // The reference comes first: an inode that is unlinked in between stays.
  if (node.snapshot() == kLiveTree) references_.Add(node.inode());
  auto attr = GetAttr(node);
  if (!attr.ok()) {
    Forget(node, 1);
    return attr.status().posix_errno() == ESTALE ? Status::Posix(ENOENT)
                                                 : attr.status();
  }
  return Entry{*attr};
}

Result<Entry> VolumeImpl::LookupSnapshot(NodeId snapshots_directory,
                                         std::string_view name) {
  const InodeId inode = snapshots_directory.inode();
  NodeId node = snapshots_directory;
  if (name == "..") {
    node = NodeId::Make(kLiveTree, inode);
    references_.Add(inode);
  } else if (name != ".") {
    const auto snapshot = core_->snapshots.FindByName(name);
    if (!snapshot) return Status::Posix(ENOENT);
    node = NodeId::Make(snapshot->id, inode);
  }
  auto attr = GetAttr(node);
  // A directory made after the snapshot is not in it.
  if (!attr.ok()) return Status::Posix(ENOENT);
  return Entry{*attr};
}

void VolumeImpl::Forget(NodeId node, uint64_t count) {
  if (node.snapshot() != kLiveTree) return;
  references_.Drop(node.inode(), count);
}

Result<Entry> VolumeImpl::MakeNode(NodeId directory, std::string_view name,
                                   uint32_t mode, uint32_t rdev,
                                   const Caller& caller) {
  InodeRecord inode;
  inode.mode = mode;
  if ((mode & S_IFMT) == 0) inode.mode |= S_IFREG;
  if (IsDirectory(inode.mode)) return Status::Posix(EINVAL);
  inode.rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
  inode.nlink = 1;
  return Make(directory, name, std::move(inode), caller);
}

Result<Entry> VolumeImpl::MakeDirectory(NodeId directory, std::string_view name,
                                        uint32_t mode, const Caller& caller) {
  InodeRecord inode;
  inode.mode = S_IFDIR | (mode & 07777);
  inode.nlink = 2;
  inode.parent = directory.inode();
  return Make(directory, name, std::move(inode), caller);
}

Result<Entry> VolumeImpl::MakeSymlink(NodeId directory, std::string_view name,
                                      std::string_view target,
                                      const Caller& caller) {
  if (target.empty()) return Status::Posix(ENOENT);
  if (target.size() > kMaxSymlinkBytes) return Status::Posix(ENAMETOOLONG);
  InodeRecord inode;
  inode.mode = S_IFLNK | 0777;
  inode.nlink = 1;
  inode.size_bytes = target.size();
  inode.symlink_target = target;
  return Make(directory, name, std::move(inode), caller);
}

namespace {

// Applies the umask or the directory's default ACL to a new inode.
Status InheritPermissions(Transaction& tx, InodeId directory,
                          const Caller& caller, bool acls, InodeId number,
                          InodeRecord& inode) {
  if (S_ISLNK(inode.mode)) return OkStatus();
  std::optional<std::string> stored;
  if (acls) {
    const std::string key = XattrKey(directory, kAclDefaultXattr);
    TREFOIL_ASSIGN(stored, tx.Get(Family::kLive, key));
  }
  if (!stored) {
    inode.mode &= ~(caller.umask & 0777U);
    return OkStatus();
  }
  TREFOIL_ASSIGN(const XattrRecord parent, XattrRecord::Decode(*stored));
  TREFOIL_ASSIGN(const Acl acl, ParseAcl(parent.value));
  XattrRecord record;
  record.birth = tx.epoch();
  if (IsDirectory(inode.mode)) {
    record.value = parent.value;
    TREFOIL_TRY(
        tx.PutVersioned(XattrKey(number, kAclDefaultXattr), record.Encode()));
  }
  const Acl access = InheritAcl(acl, &inode.mode);
  if (IsMinimalAcl(access)) return OkStatus();
  record.value = EncodeAcl(access);
  return tx.PutVersioned(XattrKey(number, kAclAccessXattr), record.Encode());
}

}  // namespace

Status VolumeImpl::BuildInode(Transaction& tx, InodeId directory,
                              const InodeRecord& parent, InodeRecord& inode,
                              const Caller& caller, InodeId* number) {
  inode.uid = caller.uid;
  inode.gid = caller.gid;
  if ((parent.mode & S_ISGID) != 0) {
    inode.gid = parent.gid;
    if (IsDirectory(inode.mode)) inode.mode |= S_ISGID;
  }
  inode.atime_nanos = inode.mtime_nanos = inode.ctime_nanos =
      inode.btime_nanos = Now();
  core_->sequencer_mu.AssertHeld();
  *number = core_->NewInode(tx);
  TREFOIL_TRY(InheritPermissions(tx, directory, caller, core_->options.acls,
                                 *number, inode));
  return tx.PutInode(*number, inode);
}

Status VolumeImpl::BuildNamed(Transaction& tx, InodeId directory,
                              std::string_view name, InodeRecord& inode,
                              const Caller& caller, InodeId* number) {
  TREFOIL_ASSIGN(InodeRecord parent, RequireDirectory(tx, directory));
  TREFOIL_ASSIGN(const auto existing,
                 FindEntry(*core_->index, core_->identity.name_key, directory,
                           name, kLiveEpoch));
  if (existing) return Status::Posix(EEXIST);
  const bool is_directory = IsDirectory(inode.mode);
  if (is_directory && parent.nlink >= kMaxLinks) return Status::Posix(EMLINK);
  TREFOIL_TRY(BuildInode(tx, directory, parent, inode, caller, number));
  TREFOIL_TRY(AddEntry(tx, *core_->index, core_->identity.name_key, directory,
                       name, *number, inode.mode));
  if (is_directory) ++parent.nlink;
  TouchDirectory(parent, inode.btime_nanos);
  return tx.PutInode(directory, parent);
}

Result<Entry> VolumeImpl::Make(NodeId directory, std::string_view name,
                               InodeRecord inode, const Caller& caller) {
  if (Status bad = CheckChange(directory, name); !bad.ok()) {
    return name == kSnapshotsName ? Status::Posix(EEXIST) : bad;
  }
  TREFOIL_TRY(TakeSpace(0));
  InodeId number;
  VolumeCore::ChangeSpec spec;
  spec.meta_bytes = kXattrMetaBytes;  // ACLs may be inherited
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) {
    return BuildNamed(tx, directory.inode(), name, inode, caller, &number);
  }));
  references_.Add(number);
  TREFOIL_ASSIGN(Attr attr,
                 AttrOf(NodeId::Make(kLiveTree, number), inode, kLiveEpoch));
  return Entry{attr};
}

Result<Entry> VolumeImpl::MakeUnnamed(NodeId directory, uint32_t mode,
                                      const Caller& caller) {
  TREFOIL_TRY(CheckLive(directory));
  TREFOIL_TRY(TakeSpace(0));
  InodeRecord inode;
  inode.mode = S_IFREG | (mode & 07777);
  InodeId number;
  VolumeCore::ChangeSpec spec;
  spec.meta_bytes = kXattrMetaBytes;  // ACLs may be inherited
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(const InodeRecord parent,
                   RequireDirectory(tx, directory.inode()));
    TREFOIL_TRY(
        BuildInode(tx, directory.inode(), parent, inode, caller, &number));
    tx.Put(Family::kLive, OrphanKey(number), EncodeNumber(tx.epoch().value));
    return OkStatus();
  }));
  references_.Add(number);
  references_.AddOrphan(number);
  TREFOIL_ASSIGN(Attr attr,
                 AttrOf(NodeId::Make(kLiveTree, number), inode, kLiveEpoch));
  return Entry{attr};
}

Result<Entry> VolumeImpl::Link(NodeId node, NodeId directory,
                               std::string_view name) {
  TREFOIL_TRY(CheckLive(directory));
  if (node.snapshot() != kLiveTree) return Status::Posix(EXDEV);
  if (Status bad = CheckChange(directory, name); !bad.ok()) {
    return name == kSnapshotsName ? Status::Posix(EEXIST) : bad;
  }
  const InodeId number = node.inode();
  InodeRecord inode;
  TREFOIL_TRY(core_->Change({}, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(inode, RequireInode(tx, number));
    if (IsDirectory(inode.mode)) return Status::Posix(EPERM);
    TREFOIL_ASSIGN(InodeRecord parent, RequireDirectory(tx, directory.inode()));
    TREFOIL_ASSIGN(const auto existing,
                   FindEntry(*core_->index, core_->identity.name_key,
                             directory.inode(), name, kLiveEpoch));
    if (existing) return Status::Posix(EEXIST);
    // The kernel asks this for a file that never had a name (MakeUnnamed) only.
    if (inode.nlink == 0) tx.Delete(Family::kLive, OrphanKey(number));
    if (inode.nlink >= kMaxLinks) return Status::Posix(EMLINK);
    const int64_t now = Now();
    ++inode.nlink;
    inode.ctime_nanos = now;
    TREFOIL_TRY(tx.PutInode(number, inode));
    TREFOIL_TRY(AddEntry(tx, *core_->index, core_->identity.name_key,
                         directory.inode(), name, number, inode.mode));
    TouchDirectory(parent, now);
    return tx.PutInode(directory.inode(), parent);
  }));
  references_.Add(number);
  references_.RemoveOrphan(number);
  TREFOIL_ASSIGN(Attr attr, AttrOf(node, inode, kLiveEpoch));
  return Entry{attr};
}

Status DropName(Transaction& tx, InodeId number, InodeRecord& inode,
                int64_t now) {
  // A directory has `.` beside its name.
  inode.nlink = IsDirectory(inode.mode) ? 0 : inode.nlink - 1;
  inode.ctime_nanos = now;
  if (inode.nlink == 0) {
    tx.Put(Family::kLive, OrphanKey(number), EncodeNumber(tx.epoch().value));
  }
  return tx.PutInode(number, inode);
}

Status VolumeImpl::Remove(NodeId directory, std::string_view name,
                          bool is_directory) {
  if (name == ".") return Status::Posix(EINVAL);
  if (name == "..") return Status::Posix(ENOTEMPTY);
  if (IsVirtual(directory)) return Status::Posix(EROFS);
  TREFOIL_TRY(CheckChange(directory, name));
  InodeId number;
  InodeRecord inode;
  VolumeCore::ChangeSpec spec;
  spec.urgent = true;
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord parent, RequireDirectory(tx, directory.inode()));
    TREFOIL_ASSIGN(const auto found,
                   FindEntry(*core_->index, core_->identity.name_key,
                             directory.inode(), name, kLiveEpoch));
    if (!found) return Status::Posix(ENOENT);
    number = found->record.inode;
    TREFOIL_ASSIGN(inode, RequireInode(tx, number));
    if (IsDirectory(inode.mode) != is_directory) {
      return Status::Posix(is_directory ? ENOTDIR : EISDIR);
    }
    if (is_directory) {
      TREFOIL_ASSIGN(const bool empty, IsEmptyDirectory(*core_->index, number));
      if (!empty) return Status::Posix(ENOTEMPTY);
      --parent.nlink;
    }
    const int64_t now = Now();
    TREFOIL_TRY(
        tx.DeleteVersioned(DirentKey(directory.inode(), found->position)));
    TREFOIL_TRY(DropName(tx, number, inode, now));
    TouchDirectory(parent, now);
    return tx.PutInode(directory.inode(), parent);
  }));
  if (inode.nlink == 0) references_.AddOrphan(number);
  return OkStatus();
}

Status VolumeImpl::Unlink(NodeId directory, std::string_view name) {
  return Remove(directory, name, false);
}

Status VolumeImpl::RemoveDirectory(NodeId directory, std::string_view name) {
  return Remove(directory, name, true);
}

}  // namespace trefoil
