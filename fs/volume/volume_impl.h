// SPDX-License-Identifier: Apache-2.0
// The Volume as it is: POSIX operations over VolumeCore, one .cc file for each
// group, and the commit round in its own thread.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <set>

#include "fs/base/clock.h"
#include "fs/volume/block_reader.h"
#include "fs/volume/committer.h"
#include "fs/volume/core.h"
#include "fs/volume/lost_files.h"
#include "fs/volume/references.h"
#include "fs/volume/volume.h"

namespace trefoil {

class VolumeImpl final : public Volume {
 public:
  // `core` is open and replayed.
  explicit VolumeImpl(std::unique_ptr<VolumeCore> core);
  ~VolumeImpl() override;
  // Loads what is kept in memory and begins background work.
  Status Start();
  Status Close() override;

  // namespace.cc
  Result<Entry> Lookup(NodeId directory, std::string_view name) override;
  void Forget(NodeId node, uint64_t count) override;
  Result<Entry> MakeNode(NodeId directory, std::string_view name, uint32_t mode,
                         uint32_t rdev, const Caller& caller) override;
  Result<Entry> MakeUnnamed(NodeId directory, uint32_t mode,
                            const Caller& caller) override;
  Result<Entry> MakeDirectory(NodeId directory, std::string_view name,
                              uint32_t mode, const Caller& caller) override;
  Result<Entry> MakeSymlink(NodeId directory, std::string_view name,
                            std::string_view target,
                            const Caller& caller) override;
  Result<Entry> Link(NodeId node, NodeId directory,
                     std::string_view name) override;
  Status Unlink(NodeId directory, std::string_view name) override;
  Status RemoveDirectory(NodeId directory, std::string_view name) override;

  // rename.cc
  Status Rename(NodeId from_directory, std::string_view from_name,
                NodeId to_directory, std::string_view to_name,
                uint32_t flags) override;

  // listing.cc
  Status ReadDirectory(
      NodeId directory, uint64_t cookie,
      const std::function<bool(const DirectoryItem&)>& visit) override;
  Status ReadDirectoryPlus(
      NodeId directory, uint64_t cookie,
      const std::function<bool(const DirectoryItem&)>& visit) override;

  // attributes.cc
  Result<Attr> GetAttr(NodeId node) override;
  Result<Attr> SetAttr(NodeId node, const AttrChange& change) override;
  Result<std::string> ReadLink(NodeId node) override;

  // xattr.cc
  Result<std::string> GetXattr(NodeId node, std::string_view name) override;
  Result<std::string> ListXattr(NodeId node, bool show_trusted) override;
  Status SetXattr(NodeId node, std::string_view name, std::string_view value,
                  XattrFlags flags) override;
  Status RemoveXattr(NodeId node, std::string_view name) override;

  // data.cc
  Result<size_t> Read(NodeId node, uint64_t offset,
                      std::span<char> out) override;
  Status Write(NodeId node, uint64_t offset, std::string_view data,
               const SetIdRule& set_id) override;
  Status Allocate(NodeId node, int mode, uint64_t offset, uint64_t length,
                  const SetIdRule& set_id) override;
  Result<uint64_t> Seek(NodeId node, uint64_t offset, int whence) override;
  Result<uint64_t> CopyRange(NodeId from, uint64_t from_offset, NodeId to,
                             uint64_t to_offset, uint64_t length,
                             const SetIdRule& set_id) override;

  // volume_impl.cc
  Status Sync() override;
  Result<VolumeSpace> Space() override;
  Result<CommitRef> Commit() override;
  [[nodiscard]] CommitRef head() const override;
  Result<CommitRef> NextCommit(CommitSeq after) override;
  Result<CommitRef> Checkpoint() override;
  Result<std::optional<ObjectInfo>> NewestCheckpoint() override;
  void ReleaseCommits(CommitSeq through) override;
  Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) override;
  bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) override;
  void WakeWaiters() override;
  LocalTree& objects() override { return *core_->objects; }
  [[nodiscard]] const std::string& path() const override { return core_->path; }
  [[nodiscard]] VolumeId volume_id() const override {
    return core_->identity.volume_id;
  }
  [[nodiscard]] const Keyring& keyring() const override {
    return *core_->keyring;
  }
  Status ReloadKeys(const Secret* given, std::string_view handed_over)
      EXCLUDES(keys_mu_) override;
  [[nodiscard]] Generation generation() const override {
    return core_->generation;
  }
  [[nodiscard]] VolumeStatus status() const override;

  // healing.cc
  void SetCopies(ObjectCopies copies) override;
  void OnHealWait(std::function<void(int)> on_wait) override;
  Status Heal(const std::string& key, const Status& why) override;
  [[nodiscard]] HealCounts heals() const override {
    return core_->healer->counts();
  }
  Result<std::vector<ObjectInfo>> MissingPacks() override;
  Result<uint64_t> Salvage(const std::string& key,
                           const std::vector<std::string>& damaged) override;

  // snapshots.cc
  Result<SnapshotInfo> CreateSnapshot(std::string_view label) override;
  Result<std::vector<SnapshotInfo>> ListSnapshots() override;
  Status DeleteSnapshot(std::string_view name) override;

 private:
  int64_t Now() const { return core_->world.clock.WallNanos(); }
  int64_t Monotonic() const { return core_->world.clock.MonotonicNanos(); }

  // namespace.cc
  Result<Entry> LookupSnapshot(NodeId snapshots_directory,
                               std::string_view name);
  // Makes an inode named `name`: what all of mknod, mkdir and symlink share.
  Result<Entry> Make(NodeId directory, std::string_view name, InodeRecord inode,
                     const Caller& caller);
  Status BuildInode(Transaction& tx, InodeId directory,
                    const InodeRecord& parent, InodeRecord& inode,
                    const Caller& caller, InodeId* number);
  Status BuildNamed(Transaction& tx, InodeId directory, std::string_view name,
                    InodeRecord& inode, const Caller& caller, InodeId* number);
  Status Remove(NodeId directory, std::string_view name, bool is_directory);

  // attributes.cc
  Result<Attr> AttrOf(NodeId node, const InodeRecord& inode, Epoch epoch);
  Result<Attr> VirtualAttr(NodeId node);
  Status Apply(const AttrChange& change, InodeId number, Transaction& tx,
               InodeRecord& inode);

  // data.cc
  // Takes room for `bytes` of new data from the disk; waits while garbage
  // collection makes some, and slows down as the disk fills. ENOSPC when there
  // is none to be had.
  Status TakeSpace(uint64_t bytes);
  // ENOSPC when `bytes` would not find room now. None is kept for them.
  Status CheckRoom(uint64_t bytes);
  Status ReadPartInto(const DirtyPiece& part, std::span<char> out);
  Status ReadParts(const std::vector<DirtyPiece>& parts, uint64_t offset,
                   std::span<char> out);
  Result<uint64_t> ShareParts(const std::vector<DirtyPiece>& parts,
                              uint64_t from_offset, NodeId to,
                              uint64_t to_offset, const SetIdRule& set_id);
  Result<uint64_t> CopyBytes(NodeId from, uint64_t from_offset, NodeId to,
                             uint64_t to_offset, uint64_t length,
                             const SetIdRule& set_id);

  // The secrets of `object`, with any of the keys that may be at hand.
  Result<VolumeSecrets> OpenChanged(const VolumeObject& object,
                                    const Secret* given,
                                    std::string_view handed_over)
      REQUIRES(keys_mu_);

  // healing.cc
  Result<bool> IsNeeded(const std::string& key);

  // The files that have such a block, for status.
  Status NoteLost(const std::set<BlockNo>& blocks, const Status& why);

  std::unique_ptr<VolumeCore> core_;
  BlockReader blocks_;
  References references_;
  Committer committer_;
  Mutex keys_mu_;  // one change at a time; before the keyring's
  Secret volume_key_ GUARDED_BY(keys_mu_);
  // What status() learns, too.
  mutable LostFiles lost_files_;
};

// Updates the times that a change of a directory's entries updates.
inline void TouchDirectory(InodeRecord& directory, int64_t now) {
  directory.mtime_nanos = now;
  directory.ctime_nanos = now;
}

// The file has got a hole that fallocate knows nothing of.
inline void MakeSparse(InodeRecord& inode) {
  inode.flags = (inode.flags & ~kInodeAllocated) | kInodeSparse;
}

// Takes one name from `inode`; the last one makes it an orphan.
Status DropName(Transaction& tx, InodeId number, InodeRecord& inode,
                int64_t now);

}  // namespace trefoil
