// SPDX-License-Identifier: Apache-2.0
// The only door to libzstd. Contexts are kept per thread: making one costs
// more than compressing a small frame. Thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace trefoil {

// Compresses `raw` at level 1 into `out`; the size, or 0 when it does not fit.
// Level 1 skips through data that does not shrink at several GB/s, so no
// sample is taken first.
size_t ZstdCompress(std::string_view raw, std::span<char> out);

// True when `stored` is exactly one zstd frame and it holds exactly
// `out.size()` bytes, which `out` then has. Takes no memory by what `stored`
// says.
bool ZstdDecompress(std::string_view stored, std::span<char> out);

}  // namespace trefoil
