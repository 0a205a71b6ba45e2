// SPDX-License-Identifier: Apache-2.0
// FaultStore: a store that fails what a test asks it to fail, before or after
// it was done (an answer that gets lost), and notes every operation in order.
// The faults live outside of it, so that they outlast a reopened store.
// Thread rule: thread-safe; a hook may be set while the store is used, and one
// that was replaced may still run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/object/object_store.h"

namespace trefoil::testing {

class TargetFaults {
 public:
  // Asked with the operation (OPEN, PUT, GET, HEAD, LIST, DELETE) and its key
  // or prefix; an error replaces the answer. `before`: nothing was done yet.
  class Hook {
   public:
    using Function = std::function<Status(const std::string& operation,
                                          std::string_view key)>;
    Hook& operator=(Function function);
    Status operator()(const std::string& operation, std::string_view key) const;

   private:
    mutable Mutex mu_;
    std::shared_ptr<const Function> function_ GUARDED_BY(mu_);  // may be null
  };
  Hook before;
  Hook after;

  // From now on every operation is kUnavailable, or works again.
  void SetDown(bool down);
  // Down from the n-th operation on, counted from now; that one is done before
  // its answer is lost when `done_first`.
  void GoDownAt(uint64_t nth, bool done_first);
  [[nodiscard]] uint64_t operations() const;
  // "PUT pack/ab/...": what was done and answered with OK, in order.
  [[nodiscard]] std::vector<std::string> done() const;

  Status Before(const std::string& operation, std::string_view key);
  Status After(const std::string& operation, std::string_view key,
               const Status& answer);

 private:
  mutable Mutex mu_;
  bool down_ GUARDED_BY(mu_) = false;
  uint64_t count_ GUARDED_BY(mu_) = 0;
  uint64_t down_at_ GUARDED_BY(mu_) = 0;  // 0: never
  bool done_first_ GUARDED_BY(mu_) = false;
  std::vector<std::string> done_ GUARDED_BY(mu_);
};

class FaultStore final : public ObjectStore {
 public:
  FaultStore(std::unique_ptr<ObjectStore> base, TargetFaults& faults)
      : base_(std::move(base)), faults_(faults) {}

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  void DropCache(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override {
    return base_->Describe();
  }

 private:
  Status Around(const std::string& operation, std::string_view key,
                const std::function<Status()>& act);

  const std::unique_ptr<ObjectStore> base_;
  TargetFaults& faults_;
};

}  // namespace trefoil::testing
