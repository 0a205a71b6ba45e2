// SPDX-License-Identifier: Apache-2.0
// The values of the index. Versioned ones begin with the epoch that they were
// born in. Numbers are varints unless said; times are signed 64-bit
// little-endian nanoseconds since 1970.
//
//   inode    := birth mode nlink uid gid rdev flags size parent
//               atime:i64 mtime:i64 ctime:i64 btime:i64 target:sized
//   dirent   := birth inode type:u8 name:rest
//   xattr    := birth value:rest
//   extent   := birth length block block_offset
//   block    := pack offset stored raw frame_no id[32]
//   pack     := kind:u8 name[32] size generation number retired:u8
//   dead     := pack stored
//   orphan   := death
//   snapshot := epoch time:i64 name:sized label:sized
//   counter, count := number
//   commit   := generation name[32] size time:i64 cut epoch pack
//
// Decoding trusts nothing: kCorruption says which kind of record.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/hash.h"
#include "fs/base/object_types.h"
#include "fs/base/status.h"
#include "fs/base/types.h"

namespace trefoil {

// The file may have holes: not every byte is in an extent.
inline constexpr uint32_t kInodeSparse = 1;
// fallocate was asked for all of its holes, so that st_blocks is that of a file
// without any.
inline constexpr uint32_t kInodeAllocated = 2;

struct InodeRecord {
  Epoch birth;
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t rdev = 0;
  uint32_t flags = 0;
  uint64_t size_bytes = 0;
  InodeId parent;  // directories only
  int64_t atime_nanos = 0;
  int64_t mtime_nanos = 0;
  int64_t ctime_nanos = 0;
  int64_t btime_nanos = 0;
  std::string symlink_target;

  [[nodiscard]] std::string Encode() const;
  static Result<InodeRecord> Decode(std::string_view bytes);
};

struct DirentRecord {
  Epoch birth;
  InodeId inode;
  uint8_t type = 0;  // DT_REG ...
  std::string name;

  [[nodiscard]] std::string Encode() const;
  static Result<DirentRecord> Decode(std::string_view bytes);
};

struct XattrRecord {
  Epoch birth;
  std::string value;

  [[nodiscard]] std::string Encode() const;
  static Result<XattrRecord> Decode(std::string_view bytes);
};

struct ExtentRecord {
  Epoch birth;
  uint64_t length = 0;
  BlockNo block;
  uint64_t block_offset = 0;

  [[nodiscard]] std::string Encode() const;
  static Result<ExtentRecord> Decode(std::string_view bytes);
};
// No extent is longer; bounds how far back a search for what covers an offset
// must look.
inline constexpr uint64_t kMaxExtentBytes = 1ULL << 20;

struct BlockRecord {
  PackNo pack;
  FrameLocation location;
  Hash256 id;

  [[nodiscard]] std::string Encode() const;
  static Result<BlockRecord> Decode(std::string_view bytes);
};

struct PackRecord {
  ObjectKind kind = ObjectKind::kPack;  // kPack or kCommit
  Hash256 name;
  uint64_t size_bytes = 0;
  Generation generation;  // of a commit
  uint64_t number = 0;    // sequence number of a commit
  // Holds nothing that is needed; its file goes when a commit says so (O5).
  bool retired = false;

  [[nodiscard]] std::string Encode() const;
  static Result<PackRecord> Decode(std::string_view bytes);
};

// A block that no extent names.
struct DeadRecord {
  PackNo pack;
  uint64_t stored_bytes = 0;

  [[nodiscard]] std::string Encode() const;
  static Result<DeadRecord> Decode(std::string_view bytes);
};

struct SnapshotRecord {
  Epoch epoch;
  int64_t time_nanos = 0;
  std::string name;
  std::string label;

  [[nodiscard]] std::string Encode() const;
  static Result<SnapshotRecord> Decode(std::string_view bytes);
};

struct CommitRecord {
  Generation generation;
  Hash256 name;
  uint64_t size_bytes = 0;
  int64_t time_nanos = 0;
  Lsn cut;
  Epoch epoch;
  PackNo pack;

  [[nodiscard]] std::string Encode() const;
  static Result<CommitRecord> Decode(std::string_view bytes);
};

std::string EncodeNumber(uint64_t number);
Result<uint64_t> DecodeNumber(std::string_view bytes);
// The birth epoch of any versioned value.
Result<Epoch> BirthOf(std::string_view versioned_value);

}  // namespace trefoil
