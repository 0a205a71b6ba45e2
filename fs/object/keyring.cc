// SPDX-License-Identifier: Apache-2.0
#include "fs/object/keyring.h"

#include <utility>

#include "fs/base/check.h"
#include "fs/base/cipher.h"

namespace trefoil {

const Keyring& Keyring::Plain() {
  static const Keyring keyring(Mode::kPlain);
  return keyring;
}

const Keyring& Keyring::None() {
  static const Keyring keyring(Mode::kSealed);
  return keyring;
}

void Keyring::Add(uint32_t id, SecretBytes key) {
  TREFOIL_CHECK(encrypted() && id > 0 && key.size() == kKeyBytes);
  auto shared = std::make_shared<const SecretBytes>(std::move(key));
  const MutexLock lock(mu_);
  TREFOIL_CHECK(keys_.emplace(id, std::move(shared)).second);
}

uint32_t Keyring::current() const {
  const MutexLock lock(mu_);
  return keys_.empty() ? 0 : keys_.rbegin()->first;
}

Result<std::shared_ptr<const SecretBytes>> Keyring::Find(uint32_t id) const {
  const MutexLock lock(mu_);
  const auto found = keys_.find(id);
  if (found != keys_.end()) return found->second;
  return Status(StatusCode::kNoKey,
                keys_.empty()
                    ? "it is encrypted, and no key is at hand"
                    : "it is encrypted under key " + std::to_string(id) +
                          ", which this keyring does not have");
}

std::vector<uint32_t> Keyring::ids() const {
  const MutexLock lock(mu_);
  std::vector<uint32_t> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  return ids;
}

}  // namespace trefoil
