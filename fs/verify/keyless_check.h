// SPDX-License-Identifier: Apache-2.0
// Checks an encrypted copy's commits, checkpoints and claims without a key:
// their bytes against their names, and their headers, which are clear, against
// each other. What is inside can't be read, and anybody could make an object
// that passes: only somebody with a key can tell. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "fs/verify/findings.h"
#include "fs/verify/object_hasher.h"
#include "fs/verify/object_table.h"
#include "fs/volume/rebuild.h"

namespace trefoil {

class KeylessCheck {
 public:
  // All outlive this. `readers` threads read at a time.
  KeylessCheck(ObjectStore& store, ObjectTable& table,
               const VolumeId& volume_id, Findings& findings,
               ProgressMeter& progress, unsigned readers)
      : store_(store),
        table_(table),
        volume_id_(volume_id),
        findings_(findings),
        progress_(progress),
        readers_(readers) {}

  // Hashes all commits and checkpoints; marks those of `chain` (oldest first)
  // as named. That they follow each other without a gap was found when the
  // chain was. An error says that the store can't be read.
  Status CheckChain(const std::vector<ChainLink>& chain);
  Status CheckClaims();
  // Says what was left out.
  void Conclude();

 private:
  Status Judge(const HashedObject& result);
  Status CheckClaim(const ObjectInfo& info);
  void CheckBase(const std::string& key, const ObjectHeader& header);

  ObjectStore& store_;
  ObjectTable& table_;
  const VolumeId volume_id_;
  Findings& findings_;
  ProgressMeter& progress_;
  const unsigned readers_;
};

}  // namespace trefoil
