// SPDX-License-Identifier: Apache-2.0
// CopyStore: a target as a copy to heal from: opened when it is first needed,
// and anew after it could not be reached, so that a disk that is plugged in
// again, another one in its place, or credentials that were put right, need no
// new mount. It claims nothing (O9). Thread rule: thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "fs/base/mutex.h"
#include "fs/object/copies.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/store/cancel.h"

namespace trefoil {

class CopyStore final : public ObjectStore {
 public:
  using Open = std::function<Result<std::unique_ptr<ObjectStore>>()>;

  using IsStale = std::function<bool(ObjectStore&)>;

  // `place` is for messages. `cancel` ends calls under way; null: nothing does.
  // `is_stale` (may be null): the opened store's place has another one by now.
  CopyStore(std::string place, Open open, std::shared_ptr<CancelToken> cancel,
            IsStale is_stale = nullptr)
      : place_(std::move(place)),
        open_(std::move(open)),
        is_stale_(std::move(is_stale)),
        cancel_(std::move(cancel)) {}
  // For good: calls under way end soon, and all others answer kUnavailable.
  // Whoever still has this store then does no harm with it.
  void Close();

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  void DropCache(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override { return place_; }

 private:
  Status With(const std::function<Status(ObjectStore&)>& act);

  const std::string place_;
  const Open open_;
  const IsStale is_stale_;
  const std::shared_ptr<CancelToken> cancel_;

  Mutex mu_;
  std::shared_ptr<ObjectStore> store_ GUARDED_BY(mu_);
  bool closed_ GUARDED_BY(mu_) = false;
};

// What is needed to open targets as copies.
struct CopyOpener {
  World world;
  VolumeId volume_id{};
  std::string credentials_file;  // empty: the usual places
  // Where it is known which disks were forgotten; empty: nobody asks.
  std::string volume_path = {};
};
// The copy that `target` has; not contacted yet. After `cancel` (null: never)
// calls answer kUnavailable soon.
std::shared_ptr<CopyStore> OpenCopy(const CopyOpener& opener,
                                    const TargetSettings& target,
                                    std::shared_ptr<CancelToken> cancel);

// The targets of `config` as copies to read from, the nearer first. None is
// contacted yet. `credentials_file`: empty for the usual places. After `cancel`
// (null: never) calls answer kUnavailable soon.
ObjectCopies OpenCopies(World world, const VolumeConfig& config,
                        const VolumeId& volume_id,
                        const std::string& credentials_file,
                        std::shared_ptr<CancelToken> cancel);

}  // namespace trefoil
