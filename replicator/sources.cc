// SPDX-License-Identifier: Apache-2.0
#include "replicator/sources.h"

#include <algorithm>
#include <utility>

namespace trefoil {

Status CountingSource::ReadAt(uint64_t offset, std::span<char> out) {
  TREFOIL_TRY(inner_.ReadAt(offset, out));
  on_bytes_(out.size());
  return OkStatus();
}

Status StoreSource::Fill(uint64_t offset) {
  const uint64_t length = std::min(kWindowBytes, size_bytes_ - offset);
  TREFOIL_ASSIGN(std::string bytes, store_.Get(key_, {offset, length}, length));
  if (bytes.size() != length) {
    return Status(StatusCode::kCorruption,
                  key_ + " at " + store_.Describe() + " is too short");
  }
  window_ = std::move(bytes);
  window_offset_ = offset;
  return OkStatus();
}

Status StoreSource::ReadAt(uint64_t offset, std::span<char> out) {
  while (!out.empty()) {
    if (offset < window_offset_ || offset >= window_offset_ + window_.size()) {
      TREFOIL_TRY(Fill(offset));
    }
    const uint64_t skip = offset - window_offset_;
    const size_t size = std::min<uint64_t>(out.size(), window_.size() - skip);
    std::copy_n(window_.data() + skip, size, out.data());
    out = out.subspan(size);
    offset += size;
  }
  return OkStatus();
}

}  // namespace trefoil
