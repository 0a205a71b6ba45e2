// SPDX-License-Identifier: Apache-2.0
#include "fs/object/chunker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "fs/base/check.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

// A gear fingerprint is shifted by one bit a byte: older bytes are gone.
constexpr uint32_t kWindowBytes = 64;
// Level of normalization: cuts are 2^2 times rarer than the average asks for
// before the average length, and as much more frequent after it.
constexpr int kNormalization = 2;

// `bits` ones at the top, where a fingerprint knows most of its window.
uint64_t TopBits(int bits) { return ~uint64_t{0} << (64 - bits); }

uint64_t GearOf(std::string_view key, uint8_t byte) {
  const char data = static_cast<char>(byte);
  const Hash256 hash = HmacSha256(key, {&data, 1});
  uint64_t gear = 0;
  std::memcpy(&gear, hash.bytes.data(), sizeof(gear));
  return gear;
}

struct Position {
  size_t at = 0;  // bytes taken
  uint64_t fingerprint = 0;
};

// Goes on until the fingerprint has only zeros below `mask` (true: the cut is
// at `position->at`) or `end` is reached. Two bytes a round: the fingerprint
// of the second does not wait for that of the first.
bool FindCut(const std::array<uint64_t, 256>& gear, std::string_view data,
             size_t end, uint64_t mask, Position* position) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  size_t at = position->at;
  uint64_t fingerprint = position->fingerprint;
  while (at + 2 <= end) {
    const uint64_t first_gear = gear[bytes[at]];
    const uint64_t first = (fingerprint << 1) + first_gear;
    fingerprint = (fingerprint << 2) + (first_gear << 1) + gear[bytes[at + 1]];
    if ((first & mask) == 0) {
      *position = {at + 1, first};
      return true;
    }
    at += 2;
    if ((fingerprint & mask) == 0) {
      *position = {at, fingerprint};
      return true;
    }
  }
  if (at < end) {
    fingerprint = (fingerprint << 1) + gear[bytes[at]];
    ++at;
  }
  *position = {at, fingerprint};
  return (fingerprint & mask) == 0;
}

}  // namespace

Chunker::Chunker(std::string_view key, const ChunkerOptions& options)
    : options_(options) {
  TREFOIL_CHECK(std::has_single_bit(options.average_bytes));
  TREFOIL_CHECK(options.min_bytes >= kWindowBytes);
  TREFOIL_CHECK(options.min_bytes < options.average_bytes);
  TREFOIL_CHECK(options.average_bytes < options.max_bytes);
  const int bits = std::countr_zero(options.average_bytes);
  mask_small_ = TopBits(bits + kNormalization);
  mask_large_ = TopBits(bits - kNormalization);
  for (size_t byte = 0; byte < gear_.size(); ++byte) {
    gear_[byte] = GearOf(key, static_cast<uint8_t>(byte));
  }
}

size_t Chunker::FirstChunk(std::string_view data) const {
  const size_t end = std::min<size_t>(data.size(), options_.max_bytes);
  if (end <= options_.min_bytes) return end;
  // What lies before the window can't matter.
  Position position{options_.min_bytes - kWindowBytes, 0};
  for (; position.at < options_.min_bytes; ++position.at) {
    const auto byte = static_cast<uint8_t>(data[position.at]);
    position.fingerprint = (position.fingerprint << 1) + gear_[byte];
  }
  const size_t middle = std::min<size_t>(end, options_.average_bytes);
  if (FindCut(gear_, data, middle, mask_small_, &position)) return position.at;
  if (FindCut(gear_, data, end, mask_large_, &position)) return position.at;
  return end;
}

}  // namespace trefoil
