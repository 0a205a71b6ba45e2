// SPDX-License-Identifier: Apache-2.0
// Rebuilding the index from the local objects (O6, O7): what Open does when
// the index is gone, and what recovery ends with.
#pragma once

#include <string>
#include <vector>

#include "fs/object/local_tree.h"
#include "fs/object/object_store.h"
#include "fs/volume/volume.h"

namespace trefoil {

// One commit of a chain, by its key.
struct ChainLink {
  std::string key;
  ParsedKey parsed;
  uint64_t size_bytes = 0;
};

// The chain of commits in `store`, oldest first: from the newest commit of the
// highest generation back to the first by the hashes in the headers. Commits
// of other branches are left out. kCorruption names a missing link; empty when
// there is no commit at all.
Result<std::vector<ChainLink>> FindChain(ObjectStore& store);

// Checks that a delta entry is well-formed: table, key shape, value. Entries
// come from a medium.
Status CheckEntry(uint8_t family, std::string_view key,
                  const std::optional<std::string>& value);

// Builds a new index in `index_path` from the commits in `objects`. The old
// directory there must be gone. Crash-safe: works beside and renames.
Status RebuildIndex(World world, LocalTree& objects,
                    const std::string& index_path);

}  // namespace trefoil
