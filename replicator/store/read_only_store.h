// SPDX-License-Identifier: Apache-2.0
// ReadOnlyStore: another store, of which nobody can change anything: what only
// looks at a copy is sure to leave it as it is (O9).
// Thread rule: as the store behind it.
#pragma once

#include <memory>
#include <string>

#include "fs/object/object_store.h"

namespace trefoil {

class ReadOnlyStore final : public ObjectStore {
 public:
  explicit ReadOnlyStore(std::unique_ptr<ObjectStore> store)
      : store_(std::move(store)) {}

  Status Put(std::string_view key, ObjectSource& /*source*/,
             PutMode /*mode*/) override {
    return Refused(key);
  }
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override {
    return store_->Get(key, range, max_bytes);
  }
  Result<ObjectInfo> Head(std::string_view key) override {
    return store_->Head(key);
  }
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override {
    return store_->List(prefix, start_after, visit);
  }
  Status Delete(std::string_view key) override { return Refused(key); }
  [[nodiscard]] std::string Describe() const override {
    return store_->Describe();
  }

 private:
  [[nodiscard]] Status Refused(std::string_view key) const {
    return {StatusCode::kReadOnly, store_->Describe() + ": " +
                                       std::string(key) +
                                       ": this copy is only read"};
  }

  const std::unique_ptr<ObjectStore> store_;
};

}  // namespace trefoil
