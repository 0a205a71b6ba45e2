// SPDX-License-Identifier: Apache-2.0
// Checks that the objects which hold blocks are there, with their sizes.
#pragma once

#include <vector>

#include "fs/index/index.h"
#include "fs/object/object_store.h"
#include "fs/verify/block_check.h"
#include "fs/verify/elsewhere.h"
#include "fs/verify/findings.h"
#include "fs/verify/object_table.h"

namespace trefoil {

// Every pack record of `index`, sorted by number; 24 bytes of memory each.
// Marks objects of `table` as named. What the listing lacks is asked for
// again, for it may be younger than the listing. With `elsewhere` a pack that
// is missing here and may be there is counted only.
Result<std::vector<PackState>> CheckPacks(IndexView& index, ObjectStore& store,
                                          ObjectTable& table,
                                          const Elsewhere* elsewhere,
                                          Findings& findings);

}  // namespace trefoil
