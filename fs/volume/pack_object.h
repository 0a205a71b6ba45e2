// SPDX-License-Identifier: Apache-2.0
// The object that a pack record of the index stands for.
#pragma once

#include <string>

#include "fs/index/records.h"
#include "fs/object/object_format.h"

namespace trefoil {

// The key of the pack, or of the commit that holds blocks of its own.
inline std::string ObjectKeyOf(const PackRecord& record) {
  return record.kind == ObjectKind::kCommit
             ? CommitKey(record.generation, CommitSeq(record.number),
                         record.name)
             : PackKey(record.name);
}

}  // namespace trefoil
