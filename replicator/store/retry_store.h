// SPDX-License-Identifier: Apache-2.0
// RetryStore: repeats what failed with kUnavailable, with exponential backoff
// and full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog,
// 2015), within bounds; every other error passes through at once.
//
// Keeps O9's claims sound: when a kIfAbsent whose answer was lost meets its
// own object on the next try, the object is read back, and the same bytes
// count as success. So whoever claims must write bytes that nobody else would.
// Thread rule: thread-safe when the store below is.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "fs/base/clock.h"
#include "fs/object/object_store.h"
#include "replicator/store/cancel.h"

namespace trefoil {

struct RetryOptions {
  std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(50);
  std::chrono::nanoseconds backoff_max = std::chrono::seconds(5);
  int attempts_max = 6;
  // No further attempt begins after this much time.
  std::chrono::nanoseconds time_max = std::chrono::seconds(60);
  // Waits; false when cancelled. Empty: CancelToken::SleepFor.
  std::function<bool(std::chrono::nanoseconds)> sleep;
};

class RetryStore : public ObjectStore {
 public:
  RetryStore(std::unique_ptr<ObjectStore> base, RetryOptions options,
             Clock& clock, Random& random, std::shared_ptr<CancelToken> cancel);

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  void DropCache(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override;

 private:
  // Runs `attempt` until it answers anything but kUnavailable.
  Status Retry(const std::function<Status()>& attempt);
  bool Backoff(int attempt);
  Status IsOurs(std::string_view key, ObjectSource& source);

  const std::unique_ptr<ObjectStore> base_;
  const RetryOptions options_;
  Clock& clock_;
  Random& random_;
  const std::shared_ptr<CancelToken> cancel_;
};

}  // namespace trefoil
