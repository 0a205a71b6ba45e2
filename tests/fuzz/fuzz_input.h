// SPDX-License-Identifier: Apache-2.0
// Takes a fuzzer's bytes apart into what a target wants to draw. After the end
// everything is zero or empty, so that every input means something.
// Thread rule: use by one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trefoil::fuzz {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size)
      : left_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool AtEnd() const { return left_.empty(); }
  uint8_t Byte() {
    const std::string_view one = Take(1);
    return one.empty() ? uint8_t{0} : static_cast<uint8_t>(one[0]);
  }
  // Little-endian, of `size` bytes.
  uint64_t Number(size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{Byte()} << (8 * i);
    return value;
  }
  std::string_view Take(size_t size) {
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(taken.size());
    return taken;
  }
  // Bytes with their 16-bit length before them.
  std::string_view Sized() { return Take(static_cast<size_t>(Number(2))); }
  std::string_view Rest() { return Take(left_.size()); }

 private:
  std::string_view left_;
};

}  // namespace trefoil::fuzz

// What a target defines: libFuzzer's name, or the replay's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
