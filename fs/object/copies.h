// SPDX-License-Identifier: Apache-2.0
// The copies of one volume's objects: the same bytes under the same names, so
// that any copy can be read instead of any other and heals it.
//
// Keeps O4 and O10: what leaves here hashes to its name, and only such bytes
// ever take the place of an object. No key is needed for that.
// Thread rule: free functions over thread-safe stores.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/object/object_store.h"

namespace trefoil {

struct ObjectCopy {
  std::string name;  // "second", "offsite" ...: for messages
  std::shared_ptr<ObjectStore> store;
};
// In the order in which they are asked.
using ObjectCopies = std::vector<ObjectCopy>;

// An object of a store, read through a window of at most kWindowBytes. Nothing
// is verified here: every store's Put refuses bytes that do not hash to
// sha256() (O10).
class StoreSource final : public ObjectSource {
 public:
  static constexpr uint64_t kWindowBytes = 8ULL << 20;

  StoreSource(ObjectStore& store, std::string key, const Hash256& name,
              uint64_t size_bytes)
      : store_(store),
        key_(std::move(key)),
        name_(name),
        size_bytes_(size_bytes) {}
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Hash256 sha256() const override { return name_; }
  Status ReadAt(uint64_t offset, std::span<char> out) override;

 private:
  Status Fill(uint64_t offset);

  ObjectStore& store_;
  const std::string key_;
  const Hash256 name_;
  const uint64_t size_bytes_;

  std::string window_;
  uint64_t window_offset_ = 0;
};

// The whole object from the first of `copies` where its bytes hash to its
// name; `*from` names that copy. `size_bytes` is what it must have, 0 when that
// is not known. At most kMaxObjectBytes.
// kUnavailable: a copy that may have it could not be asked; kCorruption: all
// were asked, and none has it good. The message says what each answered.
//
// `damaged` (may be null) gets what the copies have instead of it, however long
// that is. Nothing of it may be used that was not verified by itself, as the
// blocks of a pack can be.
Result<std::string> FindGoodObject(const ObjectCopies& copies,
                                   std::string_view key, uint64_t size_bytes,
                                   std::string* from,
                                   std::vector<std::string>* damaged = nullptr);

// Puts a good object, of any size, from the first of `copies` that has it in
// place of what `to` holds, and names that copy. `check_room` (may be null) is
// asked, before any of it is read, whether `to` may take so many bytes. Errors
// as above, or those of `to`.
Result<std::string> HealObject(
    const ObjectCopies& copies, std::string_view key, uint64_t size_bytes,
    ObjectStore& to,
    const std::function<Status(uint64_t bytes)>& check_room = nullptr);

}  // namespace trefoil
