// SPDX-License-Identifier: Apache-2.0
// A store of which objects are about to be read in a known order: threads ask
// for the beginnings of the next ones, so that who reads them one after the
// other does not wait for one answer after the other.
//
// Keeps O10: what was read ahead is trusted no more than what the store
// answers; whoever reads it verifies it.
// Memory: kMaxBytes of beginnings, or a single larger one.
// Thread rule: thread-safe as the store is; the order is one reader's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/object/object_store.h"

namespace trefoil {

struct ReadAheadOptions {
  unsigned readers = 1;     // threads; with one nothing is read ahead
  uint64_t bytes_each = 0;  // of the beginning of each object
};

class ReadAhead final : public ObjectStore {
 public:
  static constexpr uint64_t kMaxBytes = 32ULL << 20;
  // Objects: the order may be known better than where it ends.
  static constexpr size_t kMaxObjects = 64;

  // Of `objects` the reader may leave some out. `store` outlives this.
  ReadAhead(ObjectStore& store, std::vector<ObjectInfo> objects,
            const ReadAheadOptions& options);
  ~ReadAhead() override;
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The first one of exactly the beginning of an object that is next, or
  // further on, gets what was read ahead; what comes before it in the order is
  // given up. Every other one is the store's.
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;

  Status Put(std::string_view key, ObjectSource& source,
             PutMode mode) override {
    return store_.Put(key, source, mode);
  }
  Result<ObjectInfo> Head(std::string_view key) override {
    return store_.Head(key);
  }
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override {
    return store_.List(prefix, start_after, visit);
  }
  Status Delete(std::string_view key) override { return store_.Delete(key); }
  void DropCache(std::string_view key) override { store_.DropCache(key); }
  [[nodiscard]] std::string Describe() const override {
    return store_.Describe();
  }

 private:
  void Work();
  // The next object to ask for, when there is one and room for it.
  std::optional<size_t> Next() REQUIRES(mu_);
  // Waits for the object's beginning; nothing when it was given up before.
  std::optional<Result<std::string>> Take(size_t at);
  [[nodiscard]] uint64_t BytesOf(size_t at) const;

  ObjectStore& store_;
  const std::vector<ObjectInfo> objects_;
  const uint64_t bytes_each_;
  std::unordered_map<std::string_view, size_t> places_;  // in objects_
  std::vector<std::thread> threads_;

  Mutex mu_;  // a leaf
  CondVar changed_;
  bool stopped_ GUARDED_BY(mu_) = false;
  size_t next_ GUARDED_BY(mu_) = 0;          // to be asked for
  size_t first_ GUARDED_BY(mu_) = 0;         // that may still be wanted
  uint64_t held_bytes_ GUARDED_BY(mu_) = 0;  // here, or asked for
  std::map<size_t, Result<std::string>> ready_ GUARDED_BY(mu_);
};

}  // namespace trefoil
