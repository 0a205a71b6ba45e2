// SPDX-License-Identifier: Apache-2.0
// The delta of a commit: which keys it carries, with which values.
// Not thread-safe; lives within a commit round.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/object/commit.h"
#include "fs/volume/core.h"

namespace trefoil {

// Collects what a commit carries. Values of keys that operations changed are
// those of the cut; destage's own keys have their newest values, which no
// operation touches; a transaction not yet made has the last word.
class Delta {
 public:
  // `destaged` are the keys that the round's destage changed, `pending` is the
  // transaction that will register the commit. Borrows all but `destaged`.
  Delta(const VolumeCore::Cut& cut, const ChangedKeys& destaged,
        const Transaction& pending, Index& index);

  // The packs among the changes that were added, and what was retired: packs,
  // and commits as holders of blocks.
  Status FindPacks(std::vector<PackRef>* added,
                   std::vector<PackRef>* retired) const;
  Status WriteTo(CommitWriter& writer) const;

 private:
  using Key = std::pair<Family, std::string>;

  [[nodiscard]] Result<std::optional<std::string>> Value(const Key& key) const;

  const VolumeCore::Cut& cut_;
  const Transaction& pending_;
  Index& index_;
  std::vector<Key> destaged_;
  std::vector<Key> keys_;
};

}  // namespace trefoil
