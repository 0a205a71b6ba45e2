// SPDX-License-Identifier: Apache-2.0
// ObjectSources for shipping objects; see fs/object/copies.h for more. They
// verify nothing themselves: every store's Put refuses bytes that do not hash
// to sha256() (O10).
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

}  // namespace trefoil
