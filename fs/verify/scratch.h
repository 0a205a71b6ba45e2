// SPDX-License-Identifier: Apache-2.0
// Scratch space of a check: an index of its own in a temporary directory, so
// that what has to be sorted or joined needs no memory. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "fs/index/index.h"
#include "fs/volume/volume.h"

namespace trefoil {

class ScratchIndex {
 public:
  // Below `parent`, or the system's place for large temporary files when that
  // is empty.
  static Result<std::unique_ptr<ScratchIndex>> Create(World world,
                                                      std::string parent);
  ~ScratchIndex();
  ScratchIndex(const ScratchIndex&) = delete;
  ScratchIndex& operator=(const ScratchIndex&) = delete;

  Index& index() { return *index_; }

 private:
  ScratchIndex(Env& env, std::string directory)
      : env_(env), directory_(std::move(directory)) {}

  Env& env_;
  const std::string directory_;
  std::unique_ptr<Index> index_;
};

// The system's place for large temporary files.
std::string ScratchParent(Env& env);

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
