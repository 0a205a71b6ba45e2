// SPDX-License-Identifier: Apache-2.0
// What index and objects both speak of: kinds of objects, and where in an
// object a piece lies. The bytes are fs/object's (object_format.h).
#pragma once

#include <cstdint>

namespace trefoil {

// Bound on one frame's raw and stored payload.
inline constexpr uint32_t kMaxFrameBytes = 4U << 20;

enum class ObjectKind : uint8_t {
  kPack = 1,
  kCommit = 2,
  kCheckpoint = 3,
  kVolume = 4,
  kOwner = 5,
};

// Where a frame lies in its object.
struct FrameLocation {
  uint64_t offset = 0;        // of the frame's header
  uint32_t stored_bytes = 0;  // header and payload
  uint32_t raw_bytes = 0;     // of the payload when opened
  uint32_t frame_no = 0;      // counted from 0

  bool operator==(const FrameLocation&) const = default;
};

}  // namespace trefoil
