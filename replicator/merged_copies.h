// SPDX-License-Identifier: Apache-2.0
// MergedCopies: several copies of one volume as one store to read: what one
// copy lacks or has damaged is taken from the next. For the objects that a
// chain is made of; packs are fetched from the copies themselves (fetch.h).
//
// Keeps O10: of an object whose name has its hash, all bytes are verified
// before any of them is answered, but for the header, which proves itself.
// Nothing can be changed through it (O9).
// Thread rule: thread-safe.
#pragma once

#include <map>
#include <string>

#include "fs/base/mutex.h"
#include "fs/object/copies.h"

namespace trefoil {

class MergedCopies final : public ObjectStore {
 public:
  // At least one, in the order in which they are asked.
  explicit MergedCopies(ObjectCopies copies) : copies_(std::move(copies)) {}

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  // As the first copy has it that has it at all.
  Result<ObjectInfo> Head(std::string_view key) override;
  // What any copy has; of different sizes the largest.
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override;

 private:
  // What the first copy answers whose answer `is_good`; else the first error.
  Result<std::string> GetFirst(
      std::string_view key, ByteRange range, uint64_t max_bytes,
      const std::function<bool(const std::string&)>& is_good);
  // The copy that has the whole object good.
  Result<ObjectStore*> FindVerified(std::string_view key);

  const ObjectCopies copies_;
  Mutex mu_;
  std::map<std::string, ObjectStore*, std::less<>> verified_ GUARDED_BY(mu_);
};

}  // namespace trefoil
