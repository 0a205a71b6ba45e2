// SPDX-License-Identifier: Apache-2.0
#include "fs/object/seal.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fs/base/check.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

constexpr std::string_view kObjectInfo = "trefoil object";

std::string_view TagOf(std::string_view frame) {
  return frame.substr(kFrameFieldBytes, kFrameTagBytes);
}

std::string_view View(std::span<const char> bytes) {
  return {bytes.data(), bytes.size()};
}

Nonce NonceOf(uint64_t offset) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &offset, sizeof(offset));
  return nonce;
}

void XorFields(std::string_view key, uint64_t offset, std::span<char> fields) {
  std::array<char, kFrameFieldBytes> block{};
  std::memcpy(block.data(), &offset, sizeof(offset));
  const auto mask = AesBlock(key, View(block));
  for (size_t i = 0; i < kFrameFieldBytes; ++i) {
    fields[i] = static_cast<char>(fields[i] ^ mask[i]);
  }
}

std::string Associated(std::string_view header, uint64_t offset,
                       std::string_view fields) {
  std::string bytes;
  bytes.reserve(header.size() + sizeof(offset) + fields.size());
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(&offset), sizeof(offset));
  bytes += fields;
  return bytes;
}

}  // namespace

Cipher CipherOf(ObjectKind kind, const Keyring& keyring) {
  return keyring.encrypted() && kind != ObjectKind::kVolume ? Cipher::kAes256Gcm
                                                            : Cipher::kNone;
}

Sealer::Sealer(const ObjectHeader& header, SecretBytes keys)
    : header_(header),
      encoded_header_(EncodeObjectHeader(header)),
      keys_(std::move(keys)) {}

Result<Sealer> Sealer::For(const ObjectHeader& header, const Keyring& keyring) {
  if (header.cipher != CipherOf(header.kind, keyring)) {
    return Status(StatusCode::kCorruption,
                  header.cipher == Cipher::kNone
                      ? "is not encrypted, as every object of this volume is"
                      : "is encrypted, and the volume is not");
  }
  if (header.cipher == Cipher::kNone) return Sealer(header, SecretBytes());
  TREFOIL_ASSIGN(const auto key, keyring.Find(header.key_id));
  return Sealer(header, HkdfSha256(key->view(), View(header.salt), kObjectInfo,
                                   2 * kKeyBytes));
}

// The prefix goes into the payload's hash as its seed, so that the payload is
// hashed where it lies.
Tag Sealer::PlainTag(uint64_t offset, std::string_view frame) const {
  std::array<char, sizeof(header_.salt) + sizeof(offset) + kFrameFieldBytes>
      prefix;
  char* out =
      std::copy(header_.salt.begin(), header_.salt.end(), prefix.begin());
  std::memcpy(out, &offset, sizeof(offset));
  std::memcpy(out + sizeof(offset), frame.data(), kFrameFieldBytes);
  return Xxh3_128(frame.substr(kFrameHeaderBytes), Xxh3(View(prefix)));
}

void Sealer::Seal(uint64_t offset, std::span<char> frame) const {
  TREFOIL_CHECK(frame.size() >= kFrameHeaderBytes);
  const std::span<char> fields = frame.subspan(0, kFrameFieldBytes);
  Tag tag;
  if (keys_.empty()) {
    tag = PlainTag(offset, View(frame));
  } else {
    tag = AesGcmSeal(payload_key(), NonceOf(offset),
                     Associated(encoded_header_, offset, View(fields)),
                     frame.subspan(kFrameHeaderBytes));
    XorFields(field_key(), offset, fields);
  }
  std::copy(tag.begin(), tag.end(), frame.begin() + kFrameFieldBytes);
}

FrameFieldBytes Sealer::Fields(uint64_t offset, std::string_view frame) const {
  TREFOIL_CHECK(frame.size() >= kFrameHeaderBytes);
  FrameFieldBytes fields;
  std::copy_n(frame.begin(), kFrameFieldBytes, fields.begin());
  if (!keys_.empty()) XorFields(field_key(), offset, fields);
  return fields;
}

Result<std::string_view> Sealer::Open(uint64_t offset, std::string_view frame,
                                      std::span<char> room) const {
  const Status failed(StatusCode::kCorruption, "fails its checksum");
  const std::string_view sealed = frame.substr(kFrameHeaderBytes);
  if (keys_.empty()) {
    if (TagOf(frame) != View(PlainTag(offset, frame))) return failed;
    return sealed;
  }
  const FrameFieldBytes fields = Fields(offset, frame);
  if (!AesGcmOpen(payload_key(), NonceOf(offset),
                  Associated(encoded_header_, offset, View(fields)), sealed,
                  TagOf(frame), room)) {
    return failed;
  }
  return View(room);
}

}  // namespace trefoil
