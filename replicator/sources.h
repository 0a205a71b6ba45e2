// SPDX-License-Identifier: Apache-2.0
// ObjectSources for moving objects from one store to another. They verify
// nothing themselves: every store's Put refuses bytes that do not hash to
// sha256() (O10).
// Thread rule: as ObjectSource: one call at a time.
#pragma once

#include <functional>
#include <string>

#include "fs/object/object_store.h"

namespace trefoil {

// Another source, with somebody told how many bytes each read took.
class CountingSource final : public ObjectSource {
 public:
  CountingSource(ObjectSource& inner, std::function<void(uint64_t)> on_bytes)
      : inner_(inner), on_bytes_(std::move(on_bytes)) {}
  [[nodiscard]] uint64_t size_bytes() const override {
    return inner_.size_bytes();
  }
  [[nodiscard]] Hash256 sha256() const override { return inner_.sha256(); }
  Status ReadAt(uint64_t offset, std::span<char> out) override;

 private:
  ObjectSource& inner_;
  const std::function<void(uint64_t)> on_bytes_;
};

// An object of a store, read through a window of at most kWindowBytes.
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

}  // namespace trefoil
