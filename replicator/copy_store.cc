// SPDX-License-Identifier: Apache-2.0
#include "replicator/copy_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "replicator/target_opener.h"

namespace trefoil {
namespace {

// Somebody waits: the next copy may be faster than the next try.
constexpr RetryLimits kPatience{.attempts_max = 2,
                                .time_max = std::chrono::seconds(10)};

}  // namespace

Status CopyStore::With(const std::function<Status(ObjectStore&)>& act) {
  std::shared_ptr<ObjectStore> store;
  {
    const MutexLock lock(mu_);
    if (closed_) {
      return {StatusCode::kUnavailable, place_ + ": no target any more"};
    }
    const bool is_stale = store_ != nullptr && is_stale_ && is_stale_(*store_);
    if (store_ == nullptr || is_stale) {
      store_.reset();
      TREFOIL_ASSIGN(store_, open_());
    }
    store = store_;
  }
  const Status done = act(*store);
  if (done.Is(StatusCode::kUnavailable) ||
      done.Is(StatusCode::kPermissionDenied)) {
    const MutexLock lock(mu_);
    if (store_ == store) store_.reset();
  }
  return done;
}

void CopyStore::Close() {
  if (cancel_ != nullptr) cancel_->Cancel();
  const MutexLock lock(mu_);
  closed_ = true;
  store_.reset();
}

Status CopyStore::Put(std::string_view key, ObjectSource& source,
                      PutMode mode) {
  return With([&](ObjectStore& store) { return store.Put(key, source, mode); });
}

Result<std::string> CopyStore::Get(std::string_view key, ByteRange range,
                                   uint64_t max_bytes) {
  std::string bytes;
  TREFOIL_TRY(With([&](ObjectStore& store) -> Status {
    TREFOIL_ASSIGN(bytes, store.Get(key, range, max_bytes));
    return OkStatus();
  }));
  return bytes;
}

Result<ObjectInfo> CopyStore::Head(std::string_view key) {
  ObjectInfo info;
  TREFOIL_TRY(With([&](ObjectStore& store) -> Status {
    TREFOIL_ASSIGN(info, store.Head(key));
    return OkStatus();
  }));
  return info;
}

Status CopyStore::List(std::string_view prefix, std::string_view start_after,
                       const std::function<bool(const ObjectInfo&)>& visit) {
  return With([&](ObjectStore& store) {
    return store.List(prefix, start_after, visit);
  });
}

Status CopyStore::Delete(std::string_view key) {
  return With([&](ObjectStore& store) { return store.Delete(key); });
}

void CopyStore::DropCache(std::string_view key) {
  // Where there is no store, there is nothing to drop either.
  static_cast<void>(With([&](ObjectStore& store) {
    store.DropCache(key);
    return OkStatus();
  }));
}

std::shared_ptr<CopyStore> OpenCopy(const CopyOpener& opener,
                                    const TargetSettings& target,
                                    std::shared_ptr<CancelToken> cancel) {
  auto open = [=]() -> Result<std::unique_ptr<ObjectStore>> {
    TREFOIL_ASSIGN(auto store, OpenVolumeTarget(target, opener.credentials_file,
                                                opener.volume_id, opener.world,
                                                cancel, kPatience));
    if (!opener.volume_path.empty()) {
      TREFOIL_TRY(CheckNotForgotten(opener.world.env, opener.volume_path,
                                    target, *store));
    }
    return store;
  };
  auto is_stale = [target, env = &opener.world.env](ObjectStore& store) {
    return IsAnotherDisk(store, target, *env);
  };
  return std::make_shared<CopyStore>(
      target.url, std::move(open), cancel,
      IsRemovable(target) ? CopyStore::IsStale(is_stale) : nullptr);
}

ObjectCopies OpenCopies(World world, const VolumeConfig& config,
                        const VolumeId& volume_id,
                        const std::string& credentials_file,
                        std::shared_ptr<CancelToken> cancel) {
  std::vector<TargetSettings> targets = config.targets;
  std::stable_partition(targets.begin(), targets.end(), IsRemovable);
  ObjectCopies copies;
  for (const TargetSettings& target : targets) {
    copies.push_back(
        {target.name,
         OpenCopy({world, volume_id, credentials_file}, target, cancel)});
  }
  return copies;
}

}  // namespace trefoil
