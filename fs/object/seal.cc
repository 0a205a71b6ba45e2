// SPDX-License-Identifier: Apache-2.0
#include "fs/object/seal.h"

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/base/check.h"

namespace trefoil {
namespace {

using Tag = std::array<char, kFrameTagBytes>;

// Cipher kNone. The prefix goes into the payload's hash as its seed, so that
// the payload is hashed where it lies.
Tag PlainTag(const ObjectHeader& header, uint64_t offset,
             std::string_view frame) {
  std::array<char, sizeof(header.salt) + sizeof(offset) + kFrameFieldBytes>
      prefix;
  char* out = std::copy(header.salt.begin(), header.salt.end(), prefix.begin());
  std::memcpy(out, &offset, sizeof(offset));
  std::memcpy(out + sizeof(offset), frame.data(), kFrameFieldBytes);
  const uint64_t seed = Xxh3({prefix.data(), prefix.size()});
  return Xxh3_128(frame.substr(kFrameHeaderBytes), seed);
}

}  // namespace

void SealPayload(const ObjectHeader& header, uint64_t offset,
                 std::span<char> frame) {
  TREFOIL_CHECK(header.cipher == Cipher::kNone);
  TREFOIL_CHECK(frame.size() >= kFrameHeaderBytes);
  const Tag tag = PlainTag(header, offset, {frame.data(), frame.size()});
  std::copy(tag.begin(), tag.end(), frame.begin() + kFrameFieldBytes);
}

Result<std::string_view> OpenPayload(const ObjectHeader& header,
                                     uint64_t offset, std::string_view frame,
                                     std::string* /*scratch*/) {
  TREFOIL_CHECK(header.cipher == Cipher::kNone);
  TREFOIL_CHECK(frame.size() >= kFrameHeaderBytes);
  const Tag tag = PlainTag(header, offset, frame);
  if (frame.substr(kFrameFieldBytes, kFrameTagBytes) !=
      std::string_view(tag.data(), tag.size())) {
    return Status(StatusCode::kCorruption, "fails its checksum");
  }
  return frame.substr(kFrameHeaderBytes);
}

}  // namespace trefoil
