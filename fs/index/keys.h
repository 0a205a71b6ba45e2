// SPDX-License-Identifier: Apache-2.0
// The keys of the index. Numbers are big-endian, so that keys sort by number.
//
//   family live (shipped in commits)
//     'C' name                     counter
//     'D' directory:u64 position:u64   directory entry       (versioned)
//     'E' inode:u64 offset:u64     extent of file data       (versioned)
//     'I' inode:u64                inode                     (versioned)
//     'X' inode:u64 name 0         extended attribute        (versioned)
//     'B' block:u64                block
//     'N' block:u64                count of extents that name the block
//     'O' inode:u64                orphan: an inode without names
//     'P' pack:u64                 object that holds blocks
//     'S' snapshot:u64             snapshot
//     'Z' block:u64                dead block: one without a count
//   family history (shipped): a versioned key, then last:u64, the last epoch
//     in which the value was the live one. Versioned keys are prefix-free.
//   family local
//     'H' block-id[32]             block number, derived from 'B'
//     'K' seq:u64                  local commit
//     'M' pack:u64 block:u64       block of a pack, derived from 'B'; may
//                                  outlive the block's move to another pack
#pragma once

#include <string>
#include <string_view>

#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/base/hash.h"
#include "fs/base/types.h"

namespace trefoil {

// A directory entry's place: 47-bit keyed hash of the folded name << 16 |
// disambiguator. Also the positive readdir cookie; 0..2 are reserved.
using DirPosition = StrongId<struct DirPositionTag>;

inline std::string KeyOf(char table, uint64_t id) {
  std::string key(1, table);
  AppendBe64(&key, id);
  return key;
}
inline std::string KeyOf(char table, uint64_t id, uint64_t second) {
  std::string key = KeyOf(table, id);
  AppendBe64(&key, second);
  return key;
}

inline std::string InodeKey(InodeId inode) { return KeyOf('I', inode.value); }
inline std::string DirentKey(InodeId directory, DirPosition position) {
  return KeyOf('D', directory.value, position.value);
}
inline std::string ExtentKey(InodeId inode, uint64_t offset) {
  return KeyOf('E', inode.value, offset);
}
inline std::string XattrPrefix(InodeId inode) {
  return KeyOf('X', inode.value);
}
inline std::string XattrKey(InodeId inode, std::string_view name) {
  std::string key = XattrPrefix(inode);
  key.append(name);
  key.push_back('\0');
  return key;
}
inline std::string OrphanKey(InodeId inode) { return KeyOf('O', inode.value); }
inline std::string BlockKey(BlockNo block) { return KeyOf('B', block.value); }
inline std::string CountKey(BlockNo block) { return KeyOf('N', block.value); }
inline std::string DeadKey(BlockNo block) { return KeyOf('Z', block.value); }
inline std::string MemberKey(PackNo pack, BlockNo block) {
  return KeyOf('M', pack.value, block.value);
}
inline std::string PackNoKey(PackNo pack) { return KeyOf('P', pack.value); }
inline std::string SnapshotKey(SnapshotId id) { return KeyOf('S', id.value); }
inline std::string CounterKey(std::string_view name) {
  return "C" + std::string(name);
}
inline std::string BlockIdKey(const Hash256& id) {
  return "H" + std::string(id.view());
}
inline std::string LocalCommitKey(CommitSeq seq) {
  return KeyOf('K', seq.value);
}

inline constexpr std::string_view kInodeCounter = "inode";
inline constexpr std::string_view kBlockCounter = "block";
inline constexpr std::string_view kPackCounter = "pack";
inline constexpr std::string_view kSnapshotCounter = "snapshot";

// The number at `offset` of a key; the key is long enough (CHECK).
inline uint64_t NumberInKey(std::string_view key, size_t offset = 1) {
  TREFOIL_CHECK(key.size() >= offset + 8);
  uint64_t value = 0;
  std::memcpy(&value, key.data() + offset, 8);
  return __builtin_bswap64(value);
}

// True for keys whose values begin with a birth epoch.
inline bool IsVersioned(std::string_view live_key) {
  return !live_key.empty() && (live_key[0] == 'D' || live_key[0] == 'E' ||
                               live_key[0] == 'I' || live_key[0] == 'X');
}

// (live key, last epoch) as a key of the history family, and back.
inline std::string HistoryKey(std::string_view live_key, Epoch last) {
  std::string key(live_key);
  AppendBe64(&key, last.value);
  return key;
}
inline std::string_view LiveKeyOfHistory(std::string_view history_key) {
  TREFOIL_CHECK(history_key.size() > 8);
  return history_key.substr(0, history_key.size() - 8);
}
inline Epoch LastOfHistory(std::string_view history_key) {
  return Epoch(NumberInKey(history_key, history_key.size() - 8));
}

// The first key that is above every key with this prefix; empty: none.
inline std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) {
    prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  }
  return prefix;
}

}  // namespace trefoil
