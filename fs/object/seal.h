// SPDX-License-Identifier: Apache-2.0
// Sealing: what a cipher does to one frame. The only place that knows ciphers;
// frames and codecs above it see plain payloads. Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fs/base/status.h"
#include "fs/object/object_format.h"

namespace trefoil {

// A frame's header is 16 bytes of fields and the tag over them.
inline constexpr size_t kFrameTagBytes = 16;
inline constexpr size_t kFrameFieldBytes = kFrameHeaderBytes - kFrameTagBytes;

// `frame` is a whole frame with its fields set and its payload plain (after
// compression): encrypts the payload in place and sets the tag.
void SealPayload(const ObjectHeader& header, uint64_t offset,
                 std::span<char> frame);

// Checks the tag of `frame`, a whole frame as read, and gives the payload
// (still compressed). The view points into `frame`, or into `scratch` where
// the payload had to be decrypted.
Result<std::string_view> OpenPayload(const ObjectHeader& header,
                                     uint64_t offset, std::string_view frame,
                                     std::string* scratch);

}  // namespace trefoil
