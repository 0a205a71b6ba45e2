// SPDX-License-Identifier: Apache-2.0
// ObjectStore: the contract that every place with objects keeps: the local
// tree, a second medium, an HTTP object store, and decorators of these. All
// pass one conformance suite (tests/store).
//
// Keeps O4: Put never overwrites an object with other bytes unless the caller
// says that it heals.
// Thread rule: thread-safe. A call may take as long as the medium; callers
// bring their own threads and bounds.
// Errors: kNotFound (no such object), kAlreadyExists, kUnavailable (may pass
// by itself), kPermissionDenied, kNoSpace, kCorruption (the store answered
// nonsense or other bytes than it should), kInvalidArgument (a bad key),
// kNotSupported, kIoError.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/hash.h"
#include "fs/base/status.h"

namespace trefoil {

// Keys are 1..255 bytes of lower-case letters, digits, '-' and '/', without
// an empty, leading or trailing component. Everything else is refused before
// it reaches a medium: keys may come from a hostile target (no traversal).
bool IsValidObjectKey(std::string_view key);

struct ObjectInfo {
  std::string key;
  uint64_t size_bytes = 0;
};

// The bytes of an object to be put; can be read again for a retry.
// Thread rule: used by one call at a time.
class ObjectSource {
 public:
  virtual ~ObjectSource() = default;
  [[nodiscard]] virtual uint64_t size_bytes() const = 0;
  // SHA-256 of all bytes; for named objects this is in the name already.
  [[nodiscard]] virtual Hash256 sha256() const = 0;
  // Fills `out` from `offset`; the range lies inside the object.
  virtual Status ReadAt(uint64_t offset, std::span<char> out) = 0;
};

// An ObjectSource over bytes in memory; borrows them.
class MemorySource final : public ObjectSource {
 public:
  explicit MemorySource(std::string_view data)
      : data_(data), sha256_(Sha256::Of(data)) {}
  MemorySource(std::string_view data, const Hash256& sha256)
      : data_(data), sha256_(sha256) {}
  [[nodiscard]] uint64_t size_bytes() const override { return data_.size(); }
  [[nodiscard]] Hash256 sha256() const override { return sha256_; }
  Status ReadAt(uint64_t offset, std::span<char> out) override;

 private:
  std::string_view data_;
  Hash256 sha256_;
};

enum class PutMode {
  // An object that is there already is left as it is and the answer is OK: the
  // name contains the hash, so the bytes are the same (packs, commits).
  kImmutable,
  // kAlreadyExists when the key exists, decided by the store atomically; of
  // many racers one wins (owner claims). kNotSupported where it can't.
  kIfAbsent,
  // Replaces what is there (heal and probes only).
  kReplace,
};

// A part of an object; `length` 0 means to the end.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // When OK the object is durable and whole at the store.
  virtual Status Put(std::string_view key, ObjectSource& source,
                     PutMode mode) = 0;
  // The bytes of `range`; shorter only where the object ends, and none when
  // the range begins there or beyond. kCorruption when the answer would be
  // larger than `max_bytes`.
  virtual Result<std::string> Get(std::string_view key, ByteRange range,
                                  uint64_t max_bytes) = 0;
  virtual Result<ObjectInfo> Head(std::string_view key) = 0;
  // Calls `visit` for each object whose key begins with `prefix`, in byte
  // order of keys, after `start_after`; stops when `visit` returns false.
  // Keys that are not valid object keys are left out.
  virtual Status List(std::string_view prefix, std::string_view start_after,
                      const std::function<bool(const ObjectInfo&)>& visit) = 0;
  // OK when the object is gone, also when it never was there.
  virtual Status Delete(std::string_view key) = 0;
  // The next Get of `key` is to read the medium, not what the machine still
  // has of it in memory; afterwards, that it need not be remembered. A hint.
  virtual void DropCache(std::string_view /*key*/) {}
  // Where this is, for messages; without secrets.
  [[nodiscard]] virtual std::string Describe() const = 0;
};

}  // namespace trefoil
