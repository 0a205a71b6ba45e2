// SPDX-License-Identifier: Apache-2.0
// A copy, recovered for a drill into a scratch place: a detached volume that
// has this one copy and nothing else, which it only reads (O9). Its directory
// is nobody else's (0700), holds no key, and goes with it.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "fs/base/scratch_directory.h"
#include "fs/object/copies.h"
#include "fs/volume/volume.h"
#include "replicator/hydrator.h"
#include "replicator/recover.h"

namespace trefoil {

struct DrillScratchOptions {
  std::string parent;  // a directory
  TargetSettings target;
  std::shared_ptr<ObjectStore> store;  // of the target, opened
  Secret secret;
  std::optional<CommitSeq> at_seq;
  std::optional<int64_t> at_nanos;
  std::function<bool()> stop;
};

class DrillScratch {
 public:
  // kNoSpace when `parent` can't hold even what the tree is made of.
  static Result<std::unique_ptr<DrillScratch>> Recover(
      const DrillScratchOptions& options);
  ~DrillScratch();
  DrillScratch(const DrillScratch&) = delete;
  DrillScratch& operator=(const DrillScratch&) = delete;

  Volume& volume() { return *volume_; }
  // Whether there is room for `bytes` of file data in `files` files, and for
  // all of them when `files` is 0. kNoSpace with advice.
  Status CheckRoom(uint64_t files, uint64_t bytes);
  // Fetches everything in the background from here on, many objects at a time.
  void FetchAll();

 private:
  explicit DrillScratch(std::unique_ptr<ScratchDirectory> directory)
      : directory_(std::move(directory)) {}
  [[nodiscard]] std::string path() const { return directory_->Path("volume"); }
  Status Open(const DrillScratchOptions& options);

  const std::unique_ptr<ScratchDirectory> directory_;
  ObjectCopies copies_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<Hydrator> hydrator_;
};

}  // namespace trefoil
