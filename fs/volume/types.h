// SPDX-License-Identifier: Apache-2.0
// Plain data that crosses the volume's surface.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/hash.h"
#include "fs/base/types.h"

namespace trefoil {

// An inode as one of the trees shows it: what FUSE calls a node id and stat(2)
// st_ino. `snapshot << 40 | inode`; the live tree is snapshot 0.
struct NodeId {
  uint64_t value = 0;

  static constexpr NodeId Make(SnapshotId snapshot, InodeId inode) {
    return {snapshot.value << kInodeBits | inode.value};
  }
  [[nodiscard]] constexpr SnapshotId snapshot() const {
    return SnapshotId(value >> kInodeBits);
  }
  [[nodiscard]] constexpr InodeId inode() const {
    return InodeId(value & ((1ULL << kInodeBits) - 1));
  }
  constexpr auto operator<=>(const NodeId&) const = default;
};

inline constexpr NodeId kRootNode = NodeId::Make(kLiveTree, kRootInode);
// The snapshot number of the virtual `.snapshots` directory of an inode.
inline constexpr SnapshotId kSnapshotsDirectory{0xffffff};
inline constexpr std::string_view kSnapshotsName = ".snapshots";

struct Attr {
  NodeId node;
  uint32_t mode = 0;  // type and permissions, as st_mode
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t rdev = 0;  // as the kernel's new_encode_dev
  uint64_t size_bytes = 0;
  uint64_t blocks_512 = 0;
  int64_t atime_nanos = 0;
  int64_t mtime_nanos = 0;
  int64_t ctime_nanos = 0;
  int64_t btime_nanos = 0;
};

// What a change does to the setuid and setgid bits of the file that it changes.
// The default leaves them alone.
struct SetIdRule {
  // When there is one the bits go, as the kernel has it when an ordinary user
  // writes and whenever the owner changes: setgid of a file that its group
  // can't execute stays where this is true of the file's group (the caller is
  // in it or may do anything). Called under locks: it must not call the volume.
  std::function<bool(uint32_t gid)> keeps_group;
  // Called, likewise under locks, when a bit went.
  std::function<void()> on_cleared;

  // `mode` of a file of group `gid` after the change.
  [[nodiscard]] uint32_t Apply(uint32_t mode, uint32_t gid) const;
};

// What setattr changes; absent fields stay. Times in nanoseconds since 1970.
struct AttrChange {
  std::optional<uint32_t> mode;  // permission bits, 07777
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size_bytes;
  std::optional<int64_t> atime_nanos;
  std::optional<int64_t> mtime_nanos;
  bool atime_now = false;
  bool mtime_now = false;
  SetIdRule set_id;
};

// Who makes a new inode.
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;  // applied here, unless a default ACL does it
};

struct VolumeSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;       // without the reserve
  uint64_t available_bytes = 0;  // what a writer can really use
  uint64_t inodes = 0;
  uint64_t inodes_free = 0;
};

struct SnapshotInfo {
  SnapshotId id;
  std::string name;   // @GMT-YYYY.MM.DD-HH.MM.SS
  std::string label;  // UTF-8, may be empty
  Epoch epoch;
  int64_t time_nanos = 0;  // exact wall clock at the cut
};

// A file of which something could be read from no copy.
struct LostFile {
  std::string path;  // below the mountpoint; "inode N" when it has no name
  std::string reason;
};

// A commit that the local tree holds.
struct CommitRef {
  CommitSeq seq;
  Generation generation;
  Hash256 name;
  uint64_t size_bytes = 0;
  int64_t time_nanos = 0;  // wall clock at its cut
  Lsn cut;
};

}  // namespace trefoil
