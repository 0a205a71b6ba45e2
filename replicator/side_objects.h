// SPDX-License-Identifier: Apache-2.0
// Objects beside the chain: the volume object, which must be on a target before
// its first commit and before all that is sealed under a key that it brings
// (O7), and checkpoints, which may follow once the commit that they equal is
// there (O3).
// Thread rule: one thread.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "fs/object/object_store.h"
#include "replicator/commit_source.h"
#include "replicator/object_item.h"

namespace trefoil {

class SideObjects {
 public:
  using PutFunction =
      std::function<Status(const std::string& key, const Hash256& name)>;
  // What is done to the target when the volume object changes.
  struct Steps {
    PutFunction put;
    // In the place of damaged bytes.
    PutFunction replace;
    // Reads it back: kCorruption, kNotFound.
    std::function<Status(const ObjectInfo& object)> verify;
    std::function<Status(const ObjectInfo& object)> remove;
  };

  explicit SideObjects(CommitSource& source) : source_(source) {}

  // Looks at what is on the target. kInvalidArgument when it holds a volume
  // and not this one: the headers say whose they are.
  Status Learn(ObjectStore& target);
  // Puts the newest volume object when it is missing and reads it back. Only
  // then older ones go, which would still open to a secret that was taken back:
  // a whole volume object is there at every moment (O7).
  Status PutVolumeObject(const Steps& steps);
  // The number of the newest volume object that was read back; 0: none yet.
  [[nodiscard]] uint64_t volume_object() const { return volume_object_; }
  // Puts the newest checkpoint when it is missing and not beyond `watermark`;
  // answers with the commit that the target needs no older ones for, 0 when
  // there is none.
  Result<CommitSeq> PutCheckpoint(CommitSeq watermark, const PutFunction& put);
  // A checkpoint was put by somebody else.
  void NotePut(const ObjectItem& checkpoint) {
    on_target_[checkpoint.key] = checkpoint.size_bytes;
  }

 private:
  [[nodiscard]] bool IsThere(const ObjectInfo& object) const {
    const auto found = on_target_.find(object.key);
    return found != on_target_.end() && found->second == object.size_bytes;
  }
  Status Put(const ObjectInfo& object, const PutFunction& put);
  Status LearnVolumeObjects(ObjectStore& target);
  Status PutVerified(const ObjectInfo& object, const Steps& steps);
  Status RemoveOlder(const ParsedKey& newest, const Steps& steps);

  CommitSource& source_;
  std::unordered_map<std::string, uint64_t> on_target_;  // sizes by key
  // Of this volume, on the target.
  std::unordered_set<std::string> volume_objects_;
  std::string newest_;          // the local volume object that was dealt with
  uint64_t volume_object_ = 0;  // its number
};

}  // namespace trefoil
