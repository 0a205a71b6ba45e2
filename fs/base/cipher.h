// SPDX-License-Identifier: Apache-2.0
// Ciphers and key derivation of the formats, in OpenSSL's words; the only door
// to them. Pure; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/clock.h"
#include "fs/base/secret.h"
#include "fs/base/status.h"

namespace trefoil {

inline constexpr size_t kKeyBytes = 32;
inline constexpr size_t kTagBytes = 16;
inline constexpr size_t kNonceBytes = 12;

using Tag = std::array<char, kTagBytes>;
using Nonce = std::array<char, kNonceBytes>;

// AES-256-GCM. `key` has kKeyBytes; a nonce is used once under one key.
// Encrypts `data` in place.
Tag AesGcmSeal(std::string_view key, const Nonce& nonce,
               std::string_view associated, std::span<char> data);
// Decrypts `sealed` into `out` (as long, may be the same memory). False when
// the tag does not fit: then `out` has nothing of use.
bool AesGcmOpen(std::string_view key, const Nonce& nonce,
                std::string_view associated, std::string_view sealed,
                std::string_view tag, std::span<char> out);
// One block of AES-256.
std::array<char, 16> AesBlock(std::string_view key, std::string_view block);

// HKDF-SHA256 (RFC 5869).
SecretBytes HkdfSha256(std::string_view secret, std::string_view salt,
                       std::string_view info, size_t size);

// What a passphrase costs whoever guesses it: scrypt (RFC 7914).
struct ScryptCost {
  uint32_t log2_n = 18;
  uint32_t r = 8;
  uint32_t p = 1;
  bool operator==(const ScryptCost&) const = default;
};
// kInvalidArgument beyond 1 GiB of memory, 2 GiB in all 1 to 16 passes, or
// below 2^10: a stored cost comes from a medium and must not take this machine
// down, nor for long.
Result<SecretBytes> Scrypt(std::string_view passphrase, std::string_view salt,
                           const ScryptCost& cost, size_t size);

// A sealed box: a few bytes under a secret of any length, for another day.
//   box := salt[32] ciphertext[..] tag[16]
// The key is HKDF-SHA256(secret, salt, "trefoil box", 32), the nonce zeros,
// `context` the associated data. Each box has a fresh salt.
std::string SealBox(std::string_view secret, std::string_view context,
                    std::string_view plain, Random& random);
// kPermissionDenied when the secret or the context is not the box's, or the
// box is damaged: they can't be told apart.
Result<SecretBytes> OpenBox(std::string_view secret, std::string_view context,
                            std::string_view box);

}  // namespace trefoil
