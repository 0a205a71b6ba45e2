// SPDX-License-Identifier: Apache-2.0
// Objects beside the chain: volume objects, which must be on a target before
// its first commit, and checkpoints, which may follow once the commit that
// they equal is there (O3).
// Thread rule: one thread.
#pragma once

#include <functional>
#include <string>
#include <unordered_set>

#include "fs/object/local_tree.h"
#include "fs/object/object_store.h"

namespace trefoil {

class SideObjects {
 public:
  using PutFunction =
      std::function<Status(const std::string& key, const Hash256& name)>;

  explicit SideObjects(LocalTree& local) : local_(local) {}

  // Looks at what is on the target. kInvalidArgument when it holds a volume
  // and not this one.
  Status Learn(ObjectStore& target);
  // Puts what is missing: volume objects, and checkpoints up to `watermark`.
  Status PutVolumeObjects(const PutFunction& put);
  Status PutCheckpoints(CommitSeq watermark, const PutFunction& put);

 private:
  Status PutMissing(std::string_view prefix, CommitSeq limit,
                    const PutFunction& put);

  LocalTree& local_;
  std::unordered_set<std::string> on_target_;
};

}  // namespace trefoil
