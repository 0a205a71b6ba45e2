// SPDX-License-Identifier: Apache-2.0
// Extended attributes, with POSIX ACLs kept in step with the mode, and the
// virtual ones that Samba asks for.
#include <cerrno>

#include "fs/index/keys.h"
#include "fs/volume/directory.h"
#include "fs/volume/posix_acl.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

// Samba's glusterfs_fuse module asks a directory for the real spelling of a
// name instead of scanning it.
constexpr std::string_view kRealNamePrefix = "glusterfs.get_real_filename:";

// Bound on all names together, as in the Linux ABI.
constexpr size_t kMaxXattrListBytes = 65536;

constexpr std::string_view kTrustedPrefix = "trusted.";

bool StartsWith(std::string_view name, std::string_view prefix) {
  return name.substr(0, prefix.size()) == prefix;
}

bool IsAcl(std::string_view name) {
  return name == kAclAccessXattr || name == kAclDefaultXattr;
}

// Names outside of the usual spaces are refused, as on ext4.
Status CheckXattrName(std::string_view name, bool acls) {
  if (name.empty() || name.size() > kMaxXattrNameBytes ||
      name.find('\0') != std::string_view::npos) {
    return Status::Posix(ERANGE);
  }
  if (IsAcl(name)) return acls ? OkStatus() : Status::Posix(EOPNOTSUPP);
  for (const std::string_view space : {"user.", "security.", "trusted."}) {
    if (StartsWith(name, space)) return OkStatus();
  }
  return Status::Posix(EOPNOTSUPP);
}

Result<std::string> RealName(VolumeCore& core, NodeId directory,
                             std::string_view name) {
  TREFOIL_ASSIGN(const InodeView view, LoadInode(core, directory));
  if (!S_ISDIR(view.inode.mode)) return Status::Posix(ENODATA);
  TREFOIL_ASSIGN(const auto found,
                 FindEntryFolded(*core.index, core.identity.name_key,
                                 directory.inode(), name, view.epoch));
  if (!found) return Status::Posix(ENODATA);
  return found->record.name + '\0';
}

// Stores an access ACL: the mode takes over what it can say. Nothing is left
// to store when that is everything.
Result<bool> StoreAccessAcl(std::string_view value, InodeRecord& inode) {
  TREFOIL_ASSIGN(const Acl acl, ParseAcl(value));
  inode.mode = ModeOfAcl(acl, inode.mode);
  return !IsMinimalAcl(acl);
}

Status CheckFlags(bool exists, XattrFlags flags) {
  if (exists && flags.create) return Status::Posix(EEXIST);
  if (!exists && flags.replace) return Status::Posix(ENODATA);
  return OkStatus();
}

}  // namespace

Result<std::string> VolumeImpl::GetXattr(NodeId node, std::string_view name) {
  if (node.snapshot() == kSnapshotsDirectory) return Status::Posix(ENODATA);
  if (StartsWith(name, kRealNamePrefix)) {
    return RealName(*core_, node, name.substr(kRealNamePrefix.size()));
  }
  const auto epoch = core_->snapshots.EpochOf(node.snapshot());
  if (!epoch) return Status::Posix(ESTALE);
  TREFOIL_ASSIGN(const auto stored,
                 GetAt(*core_->index, XattrKey(node.inode(), name), *epoch));
  if (!stored) {
    const bool is_known = core_->options.acls || !IsAcl(name);
    return Status::Posix(is_known ? ENODATA : EOPNOTSUPP);
  }
  TREFOIL_ASSIGN(XattrRecord record, XattrRecord::Decode(*stored));
  return std::move(record.value);
}

Result<std::string> VolumeImpl::ListXattr(NodeId node, bool show_trusted) {
  if (node.snapshot() == kSnapshotsDirectory) return std::string();
  const auto epoch = core_->snapshots.EpochOf(node.snapshot());
  if (!epoch) return Status::Posix(ESTALE);
  const std::string prefix = XattrPrefix(node.inode());
  std::string names;
  TREFOIL_TRY(VisitAt(*core_->index, prefix, AfterPrefix(prefix), *epoch,
                      [&](std::string_view key, std::string_view) {
                        const auto name = key.substr(prefix.size());
                        if (!show_trusted && StartsWith(name, kTrustedPrefix)) {
                          return true;
                        }
                        names.append(name);
                        return true;
                      }));
  return names;
}

Status VolumeImpl::SetXattr(NodeId node, std::string_view name,
                            std::string_view value, XattrFlags flags) {
  TREFOIL_TRY(CheckLive(node));
  TREFOIL_TRY(CheckXattrName(name, core_->options.acls));
  if (value.size() > kMaxXattrValueBytes) return Status::Posix(E2BIG);
  TREFOIL_TRY(TakeSpace(value.size()));
  TREFOIL_ASSIGN(const std::string names, ListXattr(node, true));
  if (names.size() + name.size() + 1 > kMaxXattrListBytes) {
    return Status::Posix(ENOSPC);
  }
  const InodeId number = node.inode();
  VolumeCore::ChangeSpec spec;
  spec.meta_bytes = kXattrMetaBytes;  // the value, and the old one moving
  return core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord inode, RequireInode(tx, number));
    const std::string key = XattrKey(number, name);
    TREFOIL_ASSIGN(const auto old, tx.Get(Family::kLive, key));
    TREFOIL_TRY(CheckFlags(old.has_value(), flags));
    bool store = true;
    if (name == kAclAccessXattr) {
      TREFOIL_ASSIGN(store, StoreAccessAcl(value, inode));
      if (flags.clears_setgid) inode.mode &= ~uint32_t{S_ISGID};
    } else if (name == kAclDefaultXattr) {
      if (!S_ISDIR(inode.mode)) return Status::Posix(EACCES);
      TREFOIL_TRY(ParseAcl(value).status());
    }
    inode.ctime_nanos = Now();
    TREFOIL_TRY(tx.PutInode(number, inode));
    if (!store) return tx.DeleteVersioned(key);
    XattrRecord record;
    record.birth = tx.epoch();
    record.value = value;
    return tx.PutVersioned(key, record.Encode());
  });
}

Status VolumeImpl::RemoveXattr(NodeId node, std::string_view name) {
  TREFOIL_TRY(CheckLive(node));
  const InodeId number = node.inode();
  VolumeCore::ChangeSpec spec;
  spec.meta_bytes = kXattrMetaBytes;
  spec.urgent = true;
  return core_->Change(spec, [&](Transaction& tx) -> Status {
    TREFOIL_ASSIGN(InodeRecord inode, RequireInode(tx, number));
    const std::string key = XattrKey(number, name);
    TREFOIL_ASSIGN(const auto old, tx.Get(Family::kLive, key));
    if (!old) return Status::Posix(ENODATA);
    inode.ctime_nanos = Now();
    TREFOIL_TRY(tx.PutInode(number, inode));
    return tx.DeleteVersioned(key);
  });
}

}  // namespace trefoil
