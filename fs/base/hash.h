// SPDX-License-Identifier: Apache-2.0
// Hashing and randomness of the formats (O4, O10): SHA-256 names objects,
// HMAC-SHA256 identifies blocks, XXH3 checks journal bytes and blocks that
// are not encrypted. The only door to OpenSSL's digests and to xxHash.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace trefoil {

struct Hash256 {
  std::array<char, 32> bytes{};
  auto operator<=>(const Hash256&) const = default;
  [[nodiscard]] std::string_view view() const {
    return {bytes.data(), bytes.size()};
  }
  [[nodiscard]] std::string ToHex() const;
  // False unless `hex` is exactly 64 lower-case digits.
  static bool FromHex(std::string_view hex, Hash256* out);
  // `raw` has 32 bytes.
  static Hash256 FromBytes(std::string_view raw);
};

// SHA-256 of a stream. Not thread-safe; one instance, one stream at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::string_view data);
  // The digest; the instance then begins a new stream.
  Hash256 Finish();
  static Hash256 Of(std::string_view data);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// HMAC-SHA256 of `data` under `key` (32 bytes). Thread-safe.
Hash256 HmacSha256(std::string_view key, std::string_view data);

// XXH3, 64 bits, with a seed; and 128 bits as 16 little-endian bytes.
uint64_t Xxh3(std::string_view data, uint64_t seed = 0);
std::array<char, 16> Xxh3_128(std::string_view data, uint64_t seed = 0);

}  // namespace trefoil
