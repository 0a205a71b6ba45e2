// SPDX-License-Identifier: Apache-2.0
// A file that says when each object of one copy was last verified.
//
//   file  := "TFVERIF1" place[32] entry* check:u64  (XXH3-64 of all before it)
//   entry := name[32] size:u64 minutes:u32          (since 1970, little-endian)
//
// `place` is the SHA-256 of where the copy is: what was verified in one place
// says nothing of another. A lost or damaged file costs a verification from the
// beginning, no more. Memory: about 100 bytes per object.
// Thread rule: a value; one writer per file.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fs/base/env.h"
#include "fs/base/hash.h"

namespace trefoil {

// For unordered containers: the bytes are as good as random.
struct HashOfName {
  size_t operator()(const Hash256& name) const noexcept {
    size_t value = 0;
    std::memcpy(&value, name.bytes.data(), sizeof(value));
    return value;
  }
};

class VerifiedLedger {
 public:
  explicit VerifiedLedger(std::string_view place = "");

  // Of a file; empty when there is none that can be understood, or it is one
  // of another place: `why_empty` says so where there is a file.
  static VerifiedLedger Load(Env& env, const std::string& path,
                             std::string_view place,
                             std::string* why_empty = nullptr);
  // Whether the file may be replaced by one: it is one, of whatever place, or
  // there is none.
  static bool MayBeOne(Env& env, const std::string& path);
  // Makes the directory when needed.
  Status Save(Env& env, const std::string& path) const;

  void Verified(const Hash256& name, uint64_t size_bytes, int64_t wall_nanos);
  // 0: never, or when it had another size.
  [[nodiscard]] int64_t VerifiedNanos(const Hash256& name,
                                      uint64_t size_bytes) const;
  // The longest ago of `objects` objects; 0 when one was never verified.
  [[nodiscard]] int64_t Oldest(uint64_t objects) const;
  // Bytes that were verified since then.
  [[nodiscard]] uint64_t BytesSince(int64_t wall_nanos) const;
  // Keeps only what `keep` wants.
  void Retain(const std::function<bool(const Hash256&)>& keep);
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  // The file's bytes.
  Status Decode(std::string_view all);

  struct Entry {
    uint64_t size_bytes = 0;
    uint32_t minutes = 0;
  };

  Hash256 place_;
  std::unordered_map<Hash256, Entry, HashOfName> entries_;
};

}  // namespace trefoil
