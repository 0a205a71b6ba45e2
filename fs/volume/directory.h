// SPDX-License-Identifier: Apache-2.0
// Directory entries in the index: finding one by name costs one seek.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "fs/index/history.h"
#include "fs/index/records.h"
#include "fs/volume/transaction.h"

namespace trefoil {

struct FoundEntry {
  DirPosition position;
  DirentRecord record;
};

// The entry `name` of `directory` as `epoch` sees it.
Result<std::optional<FoundEntry>> FindEntry(IndexView& index,
                                            std::string_view name_key,
                                            InodeId directory,
                                            std::string_view name, Epoch epoch);
// The entry that a client which ignores case means by `name`; an exact match
// first.
Result<std::optional<FoundEntry>> FindEntryFolded(IndexView& index,
                                                  std::string_view name_key,
                                                  InodeId directory,
                                                  std::string_view name,
                                                  Epoch epoch);
// Adds an entry that is not there. `index` is the newest state.
Status AddEntry(Transaction& tx, IndexView& index, std::string_view name_key,
                InodeId directory, std::string_view name, InodeId inode,
                uint32_t mode);
Result<bool> IsEmptyDirectory(IndexView& index, InodeId directory);

// DT_REG and so on, from st_mode.
inline uint8_t DirentType(uint32_t mode) {
  return static_cast<uint8_t>(mode >> 12 & 15);
}

}  // namespace trefoil
