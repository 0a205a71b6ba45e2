// SPDX-License-Identifier: Apache-2.0
// Reads and hashes objects in several threads, so that a disk, a link or the
// processors are kept busy, and hands the results to the thread that asked.
// Memory: a few pieces of an object for each reader.
#pragma once

#include <functional>
#include <vector>

#include "fs/verify/object_table.h"

namespace trefoil {

struct HashedObject {
  ListedObject* object = nullptr;
  Status hashed;  // its bytes against its name, from the medium
  Status header;  // when `hashed` is OK
  VolumeId volume_id;
  Cipher cipher = Cipher::kNone;
};

// Calls `done` for each of `objects`, in the order in which they are ready, in
// this thread; an error of it ends the reading and is returned. With one reader
// this thread reads.
Status HashObjectsOf(ObjectStore& store,
                     const std::vector<ListedObject*>& objects,
                     unsigned readers,
                     const std::function<Status(const HashedObject&)>& done);

}  // namespace trefoil
