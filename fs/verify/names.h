// SPDX-License-Identifier: Apache-2.0
// The names of each inode: all visible directory entries, sorted by the inode
// that they name, in a scratch index. Serves the count of links and gives
// findings their paths.
//
//   key   := 'n' target:u64 directory:u64 position:u64 last:u64   (big-endian)
//   value := birth type:u8 name:rest                    (as a directory entry)
//
// Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "fs/verify/scratch.h"
#include "fs/verify/views.h"

namespace trefoil {

struct NameOfInode {
  InodeId target;
  InodeId directory;
  ViewRange range;
  uint8_t type = 0;
  std::string name;
};

class NameTable {
 public:
  // Fills `scratch`'s local family from the entries in `index`, instead of
  // what an earlier table left there. Both outlive this.
  static Result<std::unique_ptr<NameTable>> Build(Index& scratch,
                                                  IndexView& index,
                                                  const Views& views);

  // All names in the order of the inodes: to the first, then on. Nothing at
  // the end.
  Result<std::optional<NameOfInode>> Next();

  // The path of an inode in a view, as a user of the mount would give it, or
  // "inode N" when no names lead there.
  [[nodiscard]] std::string Path(InodeId inode, uint32_t view) const;
  // The same in the newest view that has a name for it.
  [[nodiscard]] std::string AnyPath(InodeId inode) const;

 private:
  NameTable(Index& scratch, const Views& views);
  static Result<NameOfInode> Decode(const Views& views, std::string_view key,
                                    std::string_view value);
  [[nodiscard]] std::optional<NameOfInode> Find(InodeId inode,
                                                uint32_t view) const;

  Index& scratch_;
  const Views& views_;
  std::unique_ptr<IndexCursor> cursor_;
  bool started_ = false;
};

}  // namespace trefoil
