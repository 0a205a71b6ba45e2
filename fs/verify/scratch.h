// SPDX-License-Identifier: Apache-2.0
// Scratch space of a check: an index of its own in a temporary directory, so
// that what has to be sorted or joined needs no memory. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "fs/base/scratch_directory.h"
#include "fs/index/index.h"
#include "fs/volume/volume.h"

namespace trefoil {

class ScratchIndex {
 public:
  // Below `parent`; empty: ScratchParent.
  static Result<std::unique_ptr<ScratchIndex>> Create(World world,
                                                      std::string parent);
  Index& index() { return *index_; }

 private:
  explicit ScratchIndex(std::unique_ptr<ScratchDirectory> directory)
      : directory_(std::move(directory)) {}

  const std::unique_ptr<ScratchDirectory> directory_;
  std::unique_ptr<Index> index_;
};

// What every index of a check may keep in memory.
IndexOptions ScratchOptions();

// Applies changes in batches of bounded size.
class BatchWriter {
 public:
  explicit BatchWriter(Index& index) : index_(index) {}
  Status Put(Family family, std::string key, std::string value);
  Status Delete(Family family, std::string key);
  Status Flush();

 private:
  Status FlushWhenFull(size_t added_bytes);

  Index& index_;
  IndexBatch batch_;
  size_t bytes_ = 0;
};

}  // namespace trefoil
