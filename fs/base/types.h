// SPDX-License-Identifier: Apache-2.0
// The strong types that cross folders. An id never converts to another id or
// to a plain integer by itself; `.value` is the one way out.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace trefoil {

template <class Tag>
struct StrongId {
  uint64_t value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const StrongId&) const = default;
  // The id that follows this one, for counters that hand ids out.
  [[nodiscard]] constexpr StrongId Next() const { return StrongId(value + 1); }
};

// An inode of the volume, 1..2^40-1. The root directory is 1, 0 is no inode.
// Never reused.
using InodeId = StrongId<struct InodeTag>;
// Position of a record in the journal's total order; the first is 1.
using Lsn = StrongId<struct LsnTag>;
// The span between two cuts; the first is 1.
using Epoch = StrongId<struct EpochTag>;
// A block of file data in the index; never reused, 0 is no block.
using BlockNo = StrongId<struct BlockTag>;
// An object that holds blocks (a pack, or a commit with blocks of its own) in
// the index; never reused, 0 is no object.
using PackNo = StrongId<struct PackTag>;
// Position of a commit in the chain; the first is 1.
using CommitSeq = StrongId<struct CommitTag>;
// Owner generation (O9); the first is 1.
using Generation = StrongId<struct GenerationTag>;
// A snapshot, 1..2^24-1; 0 is the live tree. Never reused.
using SnapshotId = StrongId<struct SnapshotTag>;

inline constexpr InodeId kRootInode{1};
inline constexpr SnapshotId kLiveTree{0};
inline constexpr int kInodeBits = 40;

}  // namespace trefoil

template <class Tag>
struct std::hash<trefoil::StrongId<Tag>> {
  size_t operator()(trefoil::StrongId<Tag> id) const noexcept {
    return std::hash<uint64_t>{}(id.value);
  }
};
