// SPDX-License-Identifier: Apache-2.0
#include "replicator/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "fs/base/mutex.h"
#include "fs/object/object_format.h"
#include "replicator/sources.h"

namespace trefoil {

namespace {

constexpr auto kProgressPeriod = std::chrono::milliseconds(200);
constexpr auto kMaxHold = std::chrono::seconds(2);
constexpr auto kHoldPause = std::chrono::milliseconds(10);

// The threads' common work list.
class FetchRun {
 public:
  FetchRun(ObjectStore& from, LocalTree& to,
           const std::vector<ObjectItem>& items, const FetchOptions& options)
      : from_(from), to_(to), items_(items), options_(options) {}

  Status Run(const std::function<void(uint64_t)>& progress) {
    const size_t count =
        std::min<size_t>(items_.size(), static_cast<size_t>(options_.parallel));
    {
      const MutexLock lock(mu_);
      working_ = options_.parallel == 0 ? 1 : count;
    }
    if (options_.parallel == 0) Work();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back([this] { Work(); });
    }
    WaitForEnd(progress);
    for (std::thread& thread : threads) thread.join();
    const MutexLock lock(mu_);
    return error_;
  }

 private:
  void WaitForEnd(const std::function<void(uint64_t)>& progress) {
    bool ended = false;
    while (!ended) {
      uint64_t bytes = 0;
      {
        const MutexLock lock(mu_);
        if (working_ > 0) changed_.WaitFor(mu_, kProgressPeriod);
        ended = working_ == 0;
        bytes = bytes_;
      }
      if (progress) progress(bytes);
    }
  }

  // The next item; null when there is none, or an error ended it.
  const ObjectItem* Next() {
    const auto hold_until = std::chrono::steady_clock::now() + kMaxHold;
    while (options_.hold && options_.hold() &&
           std::chrono::steady_clock::now() < hold_until) {
      std::this_thread::sleep_for(kHoldPause);
    }
    const MutexLock lock(mu_);
    if (options_.stop && options_.stop()) {
      ended_ = true;
      if (error_.ok()) error_ = {StatusCode::kUnavailable, "stopped"};
    }
    if (ended_ || next_ >= items_.size()) return nullptr;
    return &items_[next_++];
  }

  void Work() {
    while (const ObjectItem* item = Next()) {
      const Status fetched = FetchWithRetries(*item);
      const MutexLock lock(mu_);
      if (fetched.ok()) {
        bytes_ += item->size_bytes;
        continue;
      }
      const bool is_bad = fetched.Is(StatusCode::kNotFound) ||
                          fetched.Is(StatusCode::kCorruption);
      if (!is_bad || !options_.skip_bad) ended_ = true;
      // What ended it says more than what was passed over.
      if (error_.ok() || (!is_bad && options_.skip_bad)) {
        error_ = fetched.WithContext(from_.Describe());
      }
    }
    const MutexLock lock(mu_);
    --working_;
    changed_.SignalAll();
  }

  Status FetchWithRetries(const ObjectItem& item) {
    for (int attempt = 1;; ++attempt) {
      Status fetched = Fetch(item);
      // A bad transfer looks like a bad object: both are tried again.
      const bool may_pass = fetched.Is(StatusCode::kUnavailable) ||
                            fetched.Is(StatusCode::kCorruption);
      if (!may_pass || attempt >= options_.attempts) return fetched;
      std::this_thread::sleep_for(
          std::chrono::nanoseconds(options_.pause_nanos));
    }
  }

  Status Fetch(const ObjectItem& item) {
    const auto there = to_.Head(item.key);
    if (there.ok() && there->size_bytes == item.size_bytes) return OkStatus();
    Status fetched = FetchFrom(from_, item, item.size_bytes);
    for (const ObjectCopy& other : options_.others) {
      if (!IsOfTheSource(fetched)) return fetched;
      const Status instead = FetchInstead(*other.store, item);
      if (!IsOfTheSource(instead)) return instead;
      // One that may have it yet is asked again.
      if (instead.Is(StatusCode::kUnavailable)) fetched = instead;
    }
    return fetched;
  }

  // As long as it is there: the list that the size came from may have been
  // another copy's.
  Status FetchInstead(ObjectStore& other, const ObjectItem& item) {
    TREFOIL_ASSIGN(const ObjectInfo there, other.Head(item.key));
    if (&other == &from_ && there.size_bytes == item.size_bytes) {
      return {StatusCode::kCorruption, item.key + ": is damaged"};
    }
    return FetchFrom(other, item, there.size_bytes);
  }

  Status FetchFrom(ObjectStore& from, const ObjectItem& item,
                   uint64_t size_bytes) {
    // Only a checkpoint's size comes from the store's list; the others' come
    // from a commit, and no writer makes such.
    if (size_bytes > kMaxObjectBytes && !item.key.starts_with("checkpoint/")) {
      return {StatusCode::kCorruption,
              fmt::format("{}: no object has {} bytes", item.key, size_bytes)};
    }
    StoreSource source(from, item.key, item.name, size_bytes);
    return to_.Put(item.key, source, PutMode::kReplace);
  }

  // Not what `to_` says.
  static bool IsOfTheSource(const Status& status) {
    return status.Is(StatusCode::kNotFound) ||
           status.Is(StatusCode::kCorruption) ||
           status.Is(StatusCode::kUnavailable);
  }

  ObjectStore& from_;
  LocalTree& to_;
  const std::vector<ObjectItem>& items_;
  const FetchOptions& options_;

  Mutex mu_;
  CondVar changed_;
  size_t next_ GUARDED_BY(mu_) = 0;
  size_t working_ GUARDED_BY(mu_) = 0;
  uint64_t bytes_ GUARDED_BY(mu_) = 0;
  bool ended_ GUARDED_BY(mu_) = false;
  Status error_ GUARDED_BY(mu_);
};

}  // namespace

Status FetchObjects(ObjectStore& from, LocalTree& to,
                    const std::vector<ObjectItem>& items,
                    const FetchOptions& options,
                    const std::function<void(uint64_t bytes)>& progress) {
  return FetchRun(from, to, items, options).Run(progress);
}

}  // namespace trefoil
