// SPDX-License-Identifier: Apache-2.0
// What readers inside fs/object need to know of a frame before they have all
// of it. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "fs/base/status.h"
#include "fs/object/object_format.h"

namespace trefoil {

// No frame has more bytes than this, its header included.
inline constexpr uint32_t kMaxStoredFrameBytes =
    static_cast<uint32_t>(kFrameHeaderBytes) + kMaxFrameBytes;

// Bytes of the frame at `offset` that begins with `frame_header` (at least
// kFrameHeaderBytes), as it says itself: bounded, but not yet proven by the
// tag.
Result<uint32_t> StoredFrameBytes(const Sealer& sealer, uint64_t offset,
                                  std::string_view frame_header);

// `status` with the frame's place in front of its message.
Status AtFrame(const Status& status, uint32_t frame_no, uint64_t offset);

}  // namespace trefoil
