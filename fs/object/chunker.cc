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
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  const uint64_t* gear = gear_.data();
  uint64_t fingerprint = 0;
  size_t at = options_.min_bytes - kWindowBytes;
  for (; at < options_.min_bytes; ++at) {
    fingerprint = (fingerprint << 1) + gear[bytes[at]];
  }
  const size_t middle = std::min<size_t>(end, options_.average_bytes);
  for (; at < middle; ++at) {
    fingerprint = (fingerprint << 1) + gear[bytes[at]];
    if ((fingerprint & mask_small_) == 0) return at + 1;
  }
  for (; at < end; ++at) {
    fingerprint = (fingerprint << 1) + gear[bytes[at]];
    if ((fingerprint & mask_large_) == 0) return at + 1;
  }
  return end;
}

}  // namespace trefoil
