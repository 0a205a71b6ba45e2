// SPDX-License-Identifier: Apache-2.0
// DirStore: a `dir:` target, a tree of objects on a second medium. Its root
// has a file `trefoil-target` that says whose copy this is:
//
//   {"format": 1, "target_id": "<32 hex digits>", "volume_id": "<32 ...>",
//    "label": "<what people call the disk>"?}
//
// It is written when the target is made, and looked for before each operation:
// where it is missing the disk is not there, the answer is kUnavailable, and
// nothing is created, so that the mountpoint of an unmounted disk never fills
// the disk below it. The directories at the top are made with the target and
// never again; a write that meets a disk gone since the check finds none.
// Thread rule: thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/local_tree.h"
#include "fs/object/object_store.h"
#include "replicator/store/mounted_env.h"

namespace trefoil {

inline constexpr const char* kTargetIdFile = "trefoil-target";
inline constexpr size_t kMaxDiskLabelBytes = 64;

struct DirTargetId {
  std::string volume_id;  // 32 lower-case hex digits
  std::string target_id;  // 32 lower-case hex digits, drawn at init
  std::string label;      // may be empty
  bool operator==(const DirTargetId&) const = default;
};

// Makes `path` (whose parent must exist) a target of the volume, or finds that
// it is one already and answers with its id. kAlreadyExists when it belongs to
// another volume or holds anything else. A `label` that is given is written on
// one that is there already, too; one whose id is among `forgotten` gets
// another.
Result<DirTargetId> InitDirTarget(
    Env& env, const std::string& path, const std::string& volume_id,
    Random& random, const std::string& label = "",
    const std::vector<std::string>& forgotten = {});

// Who the target at `path` belongs to. kUnavailable when it is not there,
// kCorruption when the id file is not one.
Result<DirTargetId> ReadDirTargetId(Env& env, const std::string& path);

class DirStore : public ObjectStore {
 public:
  // Nothing is looked at yet. With `expected`, another target in this place is
  // kUnavailable too: it is a different disk.
  DirStore(Env& env, std::string root, std::optional<DirTargetId> expected);

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  void DropCache(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override;

  // What broken-off writes left in tmp/. By the owner only (O9).
  Status RemoveTemporaries();
  // The target that must be there.
  [[nodiscard]] const std::optional<DirTargetId>& expected() const {
    return expected_;
  }
  // Room on the target's medium.
  Result<SpaceInfo> Space();

 private:
  // OK when the right disk is there.
  Status CheckThere() const;
  // `status`, unless the disk went away: then that is what there is to say.
  Status Judge(const Status& status) const;

  Env& base_env_;
  const std::string root_;
  const std::optional<DirTargetId> expected_;
  MountedEnv env_;
  LocalTree tree_;
};

}  // namespace trefoil
