// SPDX-License-Identifier: Apache-2.0
#include "fs/base/secret.h"

#include <openssl/crypto.h>

#include <cstring>
#include <utility>

#include "fs/base/check.h"

namespace trefoil {
namespace {

// Room for some hundred keys; below the usual RLIMIT_MEMLOCK.
constexpr size_t kSecureHeapBytes = 64U << 10;
constexpr size_t kSmallestPiece = 32;

char* AllocateSecret(size_t size) {
  static const bool begun = [] {
    CRYPTO_secure_malloc_init(kSecureHeapBytes, kSmallestPiece);
    return true;
  }();
  static_cast<void>(begun);
  if (size == 0) return nullptr;
  void* memory = OPENSSL_secure_zalloc(size);
  // The secure heap is small; what does not fit is cleared at least.
  if (memory == nullptr) memory = OPENSSL_zalloc(size);
  TREFOIL_CHECK(memory != nullptr);
  return static_cast<char*>(memory);
}

}  // namespace

SecretBytes::SecretBytes(size_t size)
    : data_(AllocateSecret(size)), size_(size) {}

SecretBytes::SecretBytes(std::string_view bytes) : SecretBytes(bytes.size()) {
  if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
}

SecretBytes::~SecretBytes() {
  if (data_ != nullptr) OPENSSL_secure_clear_free(data_, size_);
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SecretBytes SecretBytes::Drawn(Random& random, size_t size) {
  SecretBytes drawn(size);
  random.Fill(drawn.span());
  return drawn;
}

bool SecretBytes::Equals(std::string_view other) const {
  return size_ == other.size() &&
         (size_ == 0 || CRYPTO_memcmp(data_, other.data(), size_) == 0);
}

void ClearSecret(std::span<char> bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

}  // namespace trefoil
