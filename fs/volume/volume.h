// SPDX-License-Identifier: Apache-2.0
// The volume: a mounted tree of files over journal, objects and index. This is
// all that FUSE, the control socket, the verifier and the replicator see.
//
// Keeps O1..O8 together with its parts; the .cc files cite them where.
// Thread rule: every function may be called by any thread at any time, except
// Open and Close. Calls may wait for the primary disk and for the journal's
// back pressure, never for a target (O8), but for a read of what the primary
// lacks or has damaged, which waits a bounded time for the other copies.
// Errors: POSIX operations answer an application's errno (Status::posix_errno);
// after a journal failure every change answers EROFS and reads go on.
// References: each function that returns an Entry, and only these, adds one
// reference to its node, as the kernel counts lookups; Forget drops them. An
// inode without names lives until its last reference is dropped.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/copies.h"
#include "fs/object/local_tree.h"
#include "fs/volume/healer.h"
#include "fs/volume/identity.h"
#include "fs/volume/types.h"

namespace trefoil {

// The outside world, for the life of the volume. Borrowed.
struct World {
  Env& env;
  Clock& clock;
  Random& random;
};

struct FormatOptions {
  bool encrypted = true;
  // Keep the volume key in VOLUME/key, for mounts that nobody attends.
  bool keep_key_file = true;
  std::vector<NewSlot> slots = {};  // ways in, besides the key file
};

struct VolumeOptions {
  bool read_only = false;
  // Opens an encrypted volume; null: its key file does.
  std::shared_ptr<const Secret> secret;
  uint64_t journal_capacity_bytes = 4ULL << 30;
  uint64_t journal_segment_bytes = 64ULL << 20;
  uint64_t index_cache_bytes = 64ULL << 20;
  uint64_t index_buffer_bytes = 48ULL << 20;
  uint64_t block_cache_bytes = 64ULL << 20;
  int64_t commit_interval_nanos = 5'000'000'000;
  // Background threads for commits and for the one-second journal sync; off in
  // tests and tools that call Commit and Sync themselves.
  bool background = true;
  // How long a read waits for a copy when the primary lacks what it needs.
  int64_t heal_wait_nanos = 30'000'000'000;
  bool snapshots_visible = false;  // list .snapshots in the root directory
  // Off: POSIX ACLs can't be set and are not inherited, EOPNOTSUPP says so;
  // those that are stored stay, and can be read and removed.
  bool acls = true;
};

struct Entry {
  Attr attr;
};

// One entry of a directory listing. `next_cookie` continues after it.
struct DirectoryItem {
  std::string_view name;
  Attr attr;
  uint64_t next_cookie = 0;
};

struct XattrFlags {
  bool create = false;   // EEXIST when it exists
  bool replace = false;  // ENODATA when it does not
  // An access ACL that takes setgid away (its setter is not in the group).
  bool clears_setgid = false;
};

struct VolumeStatus {
  std::string state;   // "ok", "read-only"
  std::string reason;  // why it is read-only
  uint64_t journal_used_bytes = 0;
  uint64_t journal_capacity_bytes = 0;
  uint64_t dirty_bytes = 0;      // file data that is in no object yet
  uint64_t pending_changes = 0;  // metadata keys that are in no commit yet
  uint64_t disk_total_bytes = 0;
  uint64_t disk_available_bytes = 0;
  uint64_t disk_usable_bytes = 0;  // what writers can have of that
  uint64_t objects = 0;            // on the primary, of all kinds
  uint64_t object_bytes = 0;
  uint64_t memory_bytes = 0;  // caches and buffers
  std::string last_error;
  HealCounts heals;                  // since it was opened
  std::vector<LostFile> lost_files;  // a bounded number of them
};

class Volume {
 public:
  virtual ~Volume() = default;

  // Makes an empty volume in `path` (absent or an empty directory).
  static Status Format(World world, const std::string& path,
                       const FormatOptions& options = {});
  // kBusy when it is open elsewhere, kNewerFormat, kNoKey, kPermissionDenied
  // (the secret does not fit, or others may read the key), kCorruption with
  // what and where. Replays the journal.
  static Result<std::unique_ptr<Volume>> Open(World world,
                                              const std::string& path,
                                              const VolumeOptions& options);
  // Ends background work; everything acknowledged is durable when OK. No other
  // call may be running or follow.
  virtual Status Close() = 0;

  // --- Names ---------------------------------------------------------------
  virtual Result<Entry> Lookup(NodeId directory, std::string_view name) = 0;
  virtual void Forget(NodeId node, uint64_t count) = 0;
  // A regular file, fifo, socket or device, by the type bits of `mode`.
  virtual Result<Entry> MakeNode(NodeId directory, std::string_view name,
                                 uint32_t mode, uint32_t rdev,
                                 const Caller& caller) = 0;
  // A regular file that Link may give its first name (O_TMPFILE).
  virtual Result<Entry> MakeUnnamed(NodeId directory, uint32_t mode,
                                    const Caller& caller) = 0;
  virtual Result<Entry> MakeDirectory(NodeId directory, std::string_view name,
                                      uint32_t mode, const Caller& caller) = 0;
  virtual Result<Entry> MakeSymlink(NodeId directory, std::string_view name,
                                    std::string_view target,
                                    const Caller& caller) = 0;
  virtual Result<Entry> Link(NodeId node, NodeId directory,
                             std::string_view name) = 0;
  virtual Status Unlink(NodeId directory, std::string_view name) = 0;
  virtual Status RemoveDirectory(NodeId directory, std::string_view name) = 0;
  // `flags`: 0, RENAME_NOREPLACE, RENAME_EXCHANGE or RENAME_WHITEOUT.
  virtual Status Rename(NodeId from_directory, std::string_view from_name,
                        NodeId to_directory, std::string_view to_name,
                        uint32_t flags) = 0;
  // Calls `visit` for each entry after `cookie` (0: from the start), `.` and
  // `..` first, until it returns false. No reference is taken.
  virtual Status ReadDirectory(
      NodeId directory, uint64_t cookie,
      const std::function<bool(const DirectoryItem&)>& visit) = 0;
  // The same, and each entry shown (but `.` and `..`) gets a reference when
  // `visit` returned true for it: for readdirplus.
  virtual Status ReadDirectoryPlus(
      NodeId directory, uint64_t cookie,
      const std::function<bool(const DirectoryItem&)>& visit) = 0;

  // --- Inodes --------------------------------------------------------------
  virtual Result<Attr> GetAttr(NodeId node) = 0;
  virtual Result<Attr> SetAttr(NodeId node, const AttrChange& change) = 0;
  virtual Result<std::string> ReadLink(NodeId node) = 0;
  virtual Result<std::string> GetXattr(NodeId node, std::string_view name) = 0;
  // NUL-terminated names, one after the other; those of `trusted.` are shown to
  // root only.
  virtual Result<std::string> ListXattr(NodeId node, bool show_trusted) = 0;
  virtual Status SetXattr(NodeId node, std::string_view name,
                          std::string_view value, XattrFlags flags) = 0;
  virtual Status RemoveXattr(NodeId node, std::string_view name) = 0;

  // --- Data ----------------------------------------------------------------
  // Fills `out` from `offset`; fewer bytes only at the end of the file.
  virtual Result<size_t> Read(NodeId node, uint64_t offset,
                              std::span<char> out) = 0;
  // All of `data` or an error. At most kMaxWriteBytes.
  virtual Status Write(NodeId node, uint64_t offset, std::string_view data,
                       const SetIdRule& set_id) = 0;
  // fallocate(2) `mode`: 0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE,
  // ZERO_RANGE[|KEEP_SIZE]; EOPNOTSUPP for the rest.
  virtual Status Allocate(NodeId node, int mode, uint64_t offset,
                          uint64_t length, const SetIdRule& set_id) = 0;
  // lseek(2) SEEK_DATA and SEEK_HOLE; ENXIO past the end.
  virtual Result<uint64_t> Seek(NodeId node, uint64_t offset, int whence) = 0;
  // copy_file_range(2) without moving data where they are in objects; returns
  // the bytes copied, at least 1 unless at the source's end.
  virtual Result<uint64_t> CopyRange(NodeId from, uint64_t from_offset,
                                     NodeId to, uint64_t to_offset,
                                     uint64_t length,
                                     const SetIdRule& set_id) = 0;
  // O1: everything acknowledged so far is on stable storage.
  virtual Status Sync() = 0;
  virtual Result<VolumeSpace> Space() = 0;

  // --- Snapshots -----------------------------------------------------------
  virtual Result<SnapshotInfo> CreateSnapshot(std::string_view label) = 0;
  virtual Result<std::vector<SnapshotInfo>> ListSnapshots() = 0;
  // kNotFound when there is none of that name.
  virtual Status DeleteSnapshot(std::string_view name) = 0;

  // --- Objects and commits (for replication, control, verification) --------
  // Brings everything acknowledged before the call into a commit; the newest
  // commit afterwards (an old one when nothing had changed).
  virtual Result<CommitRef> Commit() = 0;
  // The newest commit; seq 0 when there is none yet.
  [[nodiscard]] virtual CommitRef head() const = 0;
  // The local commit that follows `after` in the chain; kNotFound when it is
  // the newest, kTrimmed when a checkpoint stands for it, kCorruption when the
  // chain has a gap there.
  virtual Result<CommitRef> NextCommit(CommitSeq after) = 0;
  // Waits until a checkpoint of the present head, or of a newer commit, is in
  // the local tree; the commit that it equals. Writes one where there is none.
  virtual Result<CommitRef> Checkpoint() = 0;
  // The newest checkpoint of the local tree; nothing when there is none.
  virtual Result<std::optional<ObjectInfo>> NewestCheckpoint() = 0;
  // Every target holds all commits up to `through`: local ones may go when a
  // checkpoint stands for them. (No target at all: the highest number.)
  virtual void ReleaseCommits(CommitSeq through) = 0;
  // Calls `visit` for all objects that hold blocks of the head's state, and for
  // some that hold blocks of newer states or were retired lately; returns the
  // head that this is right for. `visit` must not call the volume.
  virtual Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) = 0;
  // Waits until head().seq > `after` or `timeout_nanos` passed or the volume
  // closes; returns whether there is something new.
  virtual bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) = 0;
  // Ends every WaitForCommit now and from here on (before Close).
  virtual void WakeWaiters() = 0;
  // The primary's objects.
  virtual LocalTree& objects() = 0;
  // The copies from which what the primary lacks, or has damaged, is read and
  // put in place; none before the first call. The ones before may be in use a
  // little longer; without any copies it waits until they are not.
  virtual void SetCopies(ObjectCopies copies) = 0;
  // Told +1 when a read begins to wait for a copy and -1 when it goes on.
  // Before the first read.
  virtual void OnHealWait(std::function<void(int)> on_wait) = 0;
  // Replaces the primary's object `key`, which failed with `why`, in the
  // calling thread, however long that takes. kTrimmed: nothing needs it.
  virtual Status Heal(const std::string& key, const Status& why) = 0;
  [[nodiscard]] virtual HealCounts heals() const = 0;
  // The packs of the head's state that are not on the primary, in pack order.
  virtual Result<std::vector<ObjectInfo>> MissingPacks() = 0;
  // Of a pack that is not on the primary and that no copy has whole: moves the
  // blocks that are good by themselves in one of `damaged`, what the copies
  // have of it, into a new pack. How many are good in none; the files that they
  // are of are in status() then.
  virtual Result<uint64_t> Salvage(const std::string& key,
                                   const std::vector<std::string>& damaged) = 0;
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual VolumeId volume_id() const = 0;
  // What its objects are sealed under; for the life of the volume.
  [[nodiscard]] virtual const Keyring& keyring() const = 0;
  // Somebody changed the ways in (key_change.h): takes up new data keys, the
  // newest of which new objects are sealed under from here on. Where the volume
  // key was changed, too, it is opened with what was `handed_over` (of
  // KeyChange, may be empty), else with `given` as by UnlockPrimary.
  virtual Status ReloadKeys(const Secret* given,
                            std::string_view handed_over) = 0;
  // The owner generation of this opening (O9).
  [[nodiscard]] virtual Generation generation() const = 0;
  [[nodiscard]] virtual VolumeStatus status() const = 0;
};

// Largest Write; FUSE requests are at most this long.
inline constexpr uint64_t kMaxWriteBytes = 1ULL << 20;
// Bounds as on ext4 and in the Linux ABI.
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxXattrNameBytes = 255;
inline constexpr size_t kMaxXattrValueBytes = 65536;
inline constexpr size_t kMaxSymlinkBytes = 4095;
inline constexpr uint32_t kMaxLinks = 65000;
inline constexpr uint64_t kMaxFileBytes = (1ULL << 63) - 1;

}  // namespace trefoil
