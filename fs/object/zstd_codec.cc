// SPDX-License-Identifier: Apache-2.0
#include "fs/object/zstd_codec.h"

#include <zstd.h>

#include <memory>

#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr int kLevel = 1;

struct CompressorFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct DecompressorFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* ThreadCompressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, CompressorFree> context(
      ZSTD_createCCtx());
  TREFOIL_CHECK(context != nullptr);
  return context.get();
}

ZSTD_DCtx* ThreadDecompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, DecompressorFree> context(
      ZSTD_createDCtx());
  TREFOIL_CHECK(context != nullptr);
  return context.get();
}

}  // namespace

size_t ZstdCompress(std::string_view raw, std::span<char> out) {
  const size_t size =
      ZSTD_compressCCtx(ThreadCompressor(), out.data(), out.size(), raw.data(),
                        raw.size(), kLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

bool ZstdDecompress(std::string_view stored, std::span<char> out) {
  // Decompressing takes any number of frames, empty and skippable ones too:
  // one content would have many spellings.
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != out.size() ||
      ZSTD_findFrameCompressedSize(stored.data(), stored.size()) !=
          stored.size()) {
    return false;
  }
  const size_t size =
      ZSTD_decompressDCtx(ThreadDecompressor(), out.data(), out.size(),
                          stored.data(), stored.size());
  return ZSTD_isError(size) == 0 && size == out.size();
}

}  // namespace trefoil
