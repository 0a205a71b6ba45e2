// SPDX-License-Identifier: Apache-2.0
// LocalTree: a directory of objects on a local medium, as an ObjectStore: the
// primary's objects/ and the body of a `dir:` target. A key is a relative
// path. Writes go to tmp/, are synced, renamed, and their directory synced, so
// an object is there whole or not at all (O3, O4).
#pragma once

#include <memory>
#include <string>

#include "fs/base/env.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "fs/object/object_writer.h"

namespace trefoil {

class LocalTree : public ObjectStore {
 public:
  // `root` exists; directories below it are made as needed. Leftovers in
  // root/tmp are removed by RemoveTemporaries only (another holder may run).
  LocalTree(Env& env, std::string root);
  ~LocalTree() override;

  Status Put(std::string_view key, ObjectSource& source,
             PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override;

  // A path below root/tmp for an ObjectWriter; unique in this process.
  Result<std::string> NewTemporaryPath();
  // Moves a finished object in place, durably, under `key`.
  Status Adopt(const FinishedObject& object, std::string_view key);
  Status RemoveTemporaries();

  // Reads and opens one frame, with a bounded cache of open files. The fast
  // path of every read of a block.
  Result<OpenedFrame> ReadFrame(std::string_view key,
                                const FrameLocation& location);
  // The object as a source for another store's Put.
  Result<std::unique_ptr<ObjectSource>> OpenSource(std::string_view key,
                                                   const Hash256& name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trefoil
