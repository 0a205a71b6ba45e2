// SPDX-License-Identifier: Apache-2.0
// FaultyStore: a store that answers some calls with an error, before or after
// it did what was asked.
// Thread rule: thread-safe when the hooks are.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "fs/object/object_store.h"

namespace trefoil::testing {

class FaultyStore : public ObjectStore {
 public:
  // Asked with the operation and its key ("PUT pack/aa/x"); an error replaces
  // the answer.
  using Hook = std::function<Status(const std::string& what)>;

  explicit FaultyStore(std::unique_ptr<ObjectStore> base)
      : base_(std::move(base)) {}

  // Faults before anything was done, and after it was.
  Hook before = [](const std::string&) { return OkStatus(); };
  Hook after = [](const std::string&) { return OkStatus(); };

  Status Put(std::string_view key, ObjectSource& source,
             PutMode mode) override {
    return Around("PUT", key, [&] { return base_->Put(key, source, mode); });
  }
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override {
    std::string bytes;
    TREFOIL_TRY(Around("GET", key, [&]() -> Status {
      TREFOIL_ASSIGN(bytes, base_->Get(key, range, max_bytes));
      return OkStatus();
    }));
    return bytes;
  }
  Result<ObjectInfo> Head(std::string_view key) override {
    ObjectInfo info;
    TREFOIL_TRY(Around("HEAD", key, [&]() -> Status {
      TREFOIL_ASSIGN(info, base_->Head(key));
      return OkStatus();
    }));
    return info;
  }
  // `after` is asked behind each key that was visited.
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override {
    TREFOIL_TRY(before("LIST " + std::string(prefix)));
    Status broken;
    TREFOIL_TRY(base_->List(prefix, start_after, [&](const ObjectInfo& info) {
      const bool more = visit(info);
      broken = after("LIST " + info.key);
      return more && broken.ok();
    }));
    return broken;
  }
  Status Delete(std::string_view key) override {
    return Around("DELETE", key, [&] { return base_->Delete(key); });
  }
  [[nodiscard]] std::string Describe() const override {
    return base_->Describe();
  }

 private:
  Status Around(const char* operation, std::string_view key,
                const std::function<Status()>& act) {
    const std::string what = std::string(operation) + " " + std::string(key);
    TREFOIL_TRY(before(what));
    Status done = act();
    const Status late = after(what);
    return late.ok() ? done : late;
  }

  const std::unique_ptr<ObjectStore> base_;
};

}  // namespace trefoil::testing
