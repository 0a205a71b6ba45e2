// SPDX-License-Identifier: Apache-2.0
// The volume object: who a volume is. Written once by Format into objects/ and
// copied to every target; a recovered volume is the same volume. Its one kMeta
// frame is JSON:
//   {"format":1,"volume_id":hex16,"created":nanos,"fold":1,
//    "block_key":hex32,"chunk_key":hex32,"name_key":hex32}
#pragma once

#include <string>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/local_tree.h"
#include "fs/object/object_format.h"

namespace trefoil {

struct VolumeIdentity {
  VolumeId volume_id{};
  int64_t created_nanos = 0;
  uint32_t fold_version = 1;  // of the case folding of names
  std::string block_key;      // 32 bytes: block ids; never rotates
  std::string chunk_key;      // 32 bytes: chunk boundaries
  std::string name_key;       // 32 bytes: directory positions
};

// A new identity with fresh keys.
VolumeIdentity NewIdentity(Clock& clock, Random& random);
// Writes it as volume object number 1 into `objects`.
Status WriteIdentity(Env& env, Random& random, LocalTree& objects,
                     const VolumeIdentity& identity);
// Reads the volume object with the highest number from any copy. kNotFound
// when there is none, kCorruption, kNewerFormat.
Result<VolumeIdentity> ReadIdentity(ObjectStore& store);

}  // namespace trefoil
