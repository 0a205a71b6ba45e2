// SPDX-License-Identifier: Apache-2.0
// Rebuilding the index from the local objects (O6, O7): what Open does when
// the index is gone, and what recovery ends with.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/object/local_tree.h"
#include "fs/object/object_store.h"
#include "fs/volume/volume.h"

namespace trefoil {

// One commit or checkpoint of a chain, by its key.
struct ChainLink {
  std::string key;
  ParsedKey parsed;
  uint64_t size_bytes = 0;
};

// What a tree is rebuilt from in `store`, oldest first: from the newest commit
// of the newest owner (owned_head.h) back, by the hashes in the headers, to the
// newest checkpoint on the way, which comes first then, or to the first commit.
// Where the newest checkpoint is newer than every commit it stands alone.
// Commits of other branches are left out. kCorruption names a missing link;
// empty when there is neither commit nor checkpoint. With `readers` so many
// threads ask for headers at a time.
Result<std::vector<ChainLink>> FindChain(ObjectStore& store,
                                         const Keyring& keyring,
                                         unsigned readers = 1);

// Calls `visit` for each object that holds blocks of the state that a
// checkpoint stands for. Reads and verifies the whole checkpoint; nothing seen
// may be used unless OK is returned.
Status VisitCheckpointObjects(
    ObjectStore& store, const Keyring& keyring, std::string_view checkpoint_key,
    const std::function<Status(const ObjectInfo&)>& visit);

// Checks that a delta entry is well-formed: table, key shape, value. Entries
// come from a medium.
Status CheckEntry(uint8_t family, std::string_view key,
                  const std::optional<std::string>& value);

// Moves the index of a volume that nobody has open to index.damaged, in place
// of an earlier one: the next opening makes it anew.
Status SetIndexAside(Env& env, const std::string& volume_path);

// Builds a new index of the volume from the commits in `objects`, which are
// its own. The old one, if there is one, is set aside when the new one is
// whole: where the commits don't give it, nothing has changed. Crash-safe:
// works beside and renames. kCorruption when the commits don't give it.
Status RebuildIndex(World world, LocalTree& objects, const Keyring& keyring,
                    const std::string& volume_path);

}  // namespace trefoil
