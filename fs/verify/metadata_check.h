// SPDX-License-Identifier: Apache-2.0
// All checks of one state of the metadata: records, tree, blocks, packs.
#pragma once

#include "fs/object/object_store.h"
#include "fs/verify/elsewhere.h"
#include "fs/verify/findings.h"
#include "fs/verify/object_table.h"
#include "fs/verify/tree_check.h"

namespace trefoil {

struct MetadataState {
  IndexView& index;
  Index& scratch;  // its local family is overwritten
  ObjectStore& objects;
  ObjectTable& table;
  Epoch newest;  // the epoch that no record is younger than
  TreeContext tree;
  // Where packs may be that `objects` lacks; null: nowhere.
  const Elsewhere* elsewhere = nullptr;
};

// Sets the report's number of files. An error of the index is returned.
Status CheckMetadata(MetadataState& state, Findings& findings);

}  // namespace trefoil
