// SPDX-License-Identifier: Apache-2.0
// The pack records of the index, and the objects that they stand for.
#pragma once

#include <functional>
#include <string>

#include "fs/index/index.h"
#include "fs/index/keys.h"
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

// Calls `visit` for every pack record, retired ones too, by number, until it
// returns an error, which is the answer.
inline Status VisitPacks(
    IndexView& index,
    const std::function<Status(PackNo, const PackRecord&)>& visit) {
  auto cursor = index.NewCursor(Family::kLive, "P", "Q");
  for (cursor->Seek("P"); cursor->Valid(); cursor->Next()) {
    TREFOIL_ASSIGN(const PackRecord record,
                   PackRecord::Decode(cursor->value()));
    TREFOIL_TRY(visit(PackNo(NumberInKey(cursor->key())), record));
  }
  return cursor->status();
}

}  // namespace trefoil
