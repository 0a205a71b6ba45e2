// SPDX-License-Identifier: Apache-2.0
// LocalTree: a directory of objects on a local medium, as an ObjectStore: the
// primary's objects/ and the body of a `dir:` target. A key is a relative
// path. Writes go to tmp/, are synced, renamed, and their directory synced, so
// an object is there whole or not at all (O3, O4). Keys below tmp/ are refused.
//
// Thread rule: thread-safe; several processes may use one tree.
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

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  void DropCache(std::string_view key) override;
  // As Delete, and no crash brings the object back.
  Status DeleteDurably(std::string_view key);
  [[nodiscard]] std::string Describe() const override;

  // A new, empty file below root/tmp for an ObjectWriter; nobody else's.
  Result<std::string> NewTemporaryPath();
  // Moves a finished object in place, durably, under `key`. An object of that
  // size that is there already is left as it is (O4), one of another size is
  // kCorruption. After an error the temporary file is still there.
  Status Adopt(const FinishedObject& object, std::string_view key);
  Status RemoveTemporaries();

  // Reads and opens one frame, with a bounded cache of open files. The fast
  // path of every read of a block. kCorruption when the frame is not the one
  // that `location` describes.
  Result<OpenedFrame> ReadFrame(std::string_view key,
                                const FrameLocation& location,
                                const Keyring& keyring);
  // The object as a source for another store's Put.
  Result<std::unique_ptr<ObjectSource>> OpenSource(std::string_view key,
                                                   const Hash256& name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trefoil
