// SPDX-License-Identifier: Apache-2.0
// Content-defined chunking: FastCDC with normalized chunking (Xia et al.,
// USENIX ATC 2016). The gear table is derived from a key, so that chunk sizes
// tell nobody without it which file is stored. A cut depends on the 64 bytes
// before it and on the distance to the last one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trefoil {

struct ChunkerOptions {
  uint32_t min_bytes = 32U << 10;
  uint32_t average_bytes = 128U << 10;  // a power of two
  uint32_t max_bytes = 512U << 10;
};

// Pure after construction; thread-safe.
class Chunker {
 public:
  Chunker(std::string_view key, const ChunkerOptions& options);
  // Length of the first chunk of `data`: 1..max_bytes. When `data` is shorter
  // than max_bytes it must be all that is left of the range.
  [[nodiscard]] size_t FirstChunk(std::string_view data) const;
  [[nodiscard]] const ChunkerOptions& options() const { return options_; }

 private:
  ChunkerOptions options_;
  uint64_t mask_small_ = 0;
  uint64_t mask_large_ = 0;
  std::array<uint64_t, 256> gear_{};
};

}  // namespace trefoil
