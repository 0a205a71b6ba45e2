// SPDX-License-Identifier: Apache-2.0
// Keyring: the data keys that a volume's objects are sealed under, by id. A
// data key is never used itself: each object has a key of its own, derived
// from it and the salt in the object's header (seal.h), so that no nonce can
// ever repeat. Key ids are given once; a key that anything is sealed under
// stays.
// Thread rule: thread-safe; a key may be added while others seal and open.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/base/secret.h"
#include "fs/base/status.h"

namespace trefoil {

class Keyring {
 public:
  enum class Mode {
    kPlain,   // a volume that is not encrypted: objects are sealed by checksum
    kSealed,  // objects are sealed by cipher, and only such are opened
  };

  explicit Keyring(Mode mode) : mode_(mode) {}
  Keyring(const Keyring&) = delete;
  Keyring& operator=(const Keyring&) = delete;

  // Of a volume that is not encrypted.
  static const Keyring& Plain();
  // Of an encrypted volume whose secrets are not at hand: opens nothing.
  static const Keyring& None();

  [[nodiscard]] bool encrypted() const { return mode_ == Mode::kSealed; }
  // `id` is above 0 and new; `key` has kKeyBytes. The newest key is the one
  // that new objects are sealed under.
  void Add(uint32_t id, SecretBytes key) EXCLUDES(mu_);
  // The newest key's; 0 when there is none.
  [[nodiscard]] uint32_t current() const EXCLUDES(mu_);
  // kNoKey names the id.
  Result<std::shared_ptr<const SecretBytes>> Find(uint32_t id) const
      EXCLUDES(mu_);
  [[nodiscard]] std::vector<uint32_t> ids() const EXCLUDES(mu_);

 private:
  const Mode mode_;
  mutable Mutex mu_;  // a leaf
  std::map<uint32_t, std::shared_ptr<const SecretBytes>> keys_ GUARDED_BY(mu_);
};

}  // namespace trefoil
