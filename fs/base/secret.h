// SPDX-License-Identifier: Apache-2.0
// SecretBytes: keys and passphrases in memory that is locked against paging,
// left out of core dumps and cleared when freed (OpenSSL's secure heap). Where
// the system grants no locked memory, it is cleared all the same.
// Thread rule: as a std::string; const use by many threads at once.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "fs/base/clock.h"

namespace trefoil {

class SecretBytes {
 public:
  SecretBytes() = default;
  // `size` zeros.
  explicit SecretBytes(size_t size);
  // A copy; the caller clears the original where it was secret, too.
  explicit SecretBytes(std::string_view bytes);
  ~SecretBytes();
  SecretBytes(const SecretBytes& other) : SecretBytes(other.view()) {}
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes other) noexcept;

  static SecretBytes Drawn(Random& random, size_t size);

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] std::span<char> span() { return {data_, size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // In time that does not depend on where they differ.
  [[nodiscard]] bool Equals(std::string_view other) const;

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

// Clears what held a secret for a while: a buffer, a line of a file.
void ClearSecret(std::span<char> bytes);

}  // namespace trefoil
