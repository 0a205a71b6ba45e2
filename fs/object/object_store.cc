// SPDX-License-Identifier: Apache-2.0
#include "fs/object/object_store.h"

#include <cstring>

namespace trefoil {
namespace {

constexpr size_t kMaxKeyBytes = 255;

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

bool IsValidObjectKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxKeyBytes) return false;
  bool component_is_empty = true;
  for (const char c : key) {
    if (c == '/') {
      if (component_is_empty) return false;
      component_is_empty = true;
    } else {
      if (!IsKeyCharacter(c)) return false;
      component_is_empty = false;
    }
  }
  return !component_is_empty;
}

Status MemorySource::ReadAt(uint64_t offset, std::span<char> out) {
  if (offset > data_.size() || out.size() > data_.size() - offset) {
    return {StatusCode::kInvalidArgument, "read beyond the end of a source"};
  }
  if (!out.empty()) {
    std::memcpy(out.data(), data_.data() + offset, out.size());
  }
  return OkStatus();
}

}  // namespace trefoil
