// SPDX-License-Identifier: Apache-2.0
// Sealing: what an object's cipher does to its frames. The only place that
// knows ciphers; codecs and frames above it see plain fields and payloads.
//
//   cipher kNone: fields as they are; the tag is
//     XXH3-128(payload, seed = XXH3-64(salt offset:u64 fields, seed = 0)),
//     its low half first
//   cipher kAes256Gcm: the object's keys are the halves of
//     HKDF-SHA256(secret = data key, salt = the header's salt,
//                 info = "trefoil object", 64 bytes)
//     the payload is encrypted by AES-256-GCM under the first half, with the
//     nonce offset:u64 zero[4] and the associated data
//     header[128] offset:u64 fields[16], fields plain; the fields are then
//     XORed with AES-256-ECB of the block offset:u64 zero[8] under the second,
//     so that not even lengths can be read
//
// The header is associated data, so a frame opens in its own place in its own
// object only: kind, volume, version, number and previous hash included (O10).
// Thread rule: const use by many threads at once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "fs/base/cipher.h"
#include "fs/base/secret.h"
#include "fs/base/status.h"
#include "fs/object/keyring.h"
#include "fs/object/object_format.h"

namespace trefoil {

// A frame's header is 16 bytes of fields and the tag over them.
inline constexpr size_t kFrameTagBytes = kTagBytes;
inline constexpr size_t kFrameFieldBytes = kFrameHeaderBytes - kFrameTagBytes;
static_assert(kFrameFieldBytes == 16);

using FrameFieldBytes = std::array<char, kFrameFieldBytes>;

class Sealer {
 public:
  // kNoKey when the keyring lacks the object's key; kCorruption when the
  // object's cipher is not one that the volume's objects of this kind have: an
  // encrypted volume takes nothing that is not sealed.
  static Result<Sealer> For(const ObjectHeader& header, const Keyring& keyring);

  [[nodiscard]] const ObjectHeader& header() const { return header_; }

  // `frame` is a whole frame with its fields and its payload plain (after
  // compression): seals both in place and sets the tag.
  void Seal(uint64_t offset, std::span<char> frame) const;
  // The plain fields of a frame, of which at least kFrameHeaderBytes are
  // there. Not yet proven by the tag.
  [[nodiscard]] FrameFieldBytes Fields(uint64_t offset,
                                       std::string_view frame) const;
  // Checks the tag of `frame`, a whole frame as read; its payload, still
  // compressed: decrypted into `room` (of the payload's length), or where it
  // lies in `frame` when nothing had to be.
  Result<std::string_view> Open(uint64_t offset, std::string_view frame,
                                std::span<char> room) const;

 private:
  Sealer(const ObjectHeader& header, SecretBytes keys);
  [[nodiscard]] Tag PlainTag(uint64_t offset, std::string_view frame) const;
  [[nodiscard]] std::string_view payload_key() const {
    return keys_.view().substr(0, kKeyBytes);
  }
  [[nodiscard]] std::string_view field_key() const {
    return keys_.view().substr(kKeyBytes);
  }

  ObjectHeader header_;
  std::string encoded_header_;
  SecretBytes keys_;  // of this object; none with cipher kNone
};

// What an object of `kind` is sealed with in a volume that has `keyring`:
// volume objects must be read before there is a key.
Cipher CipherOf(ObjectKind kind, const Keyring& keyring);

}  // namespace trefoil
