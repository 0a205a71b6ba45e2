// SPDX-License-Identifier: Apache-2.0
#include "replicator/merged_copies.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "fs/object/object_format.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

Status Refused(std::string_view key) {
  return {StatusCode::kReadOnly,
          std::string(key) + ": these copies are only read"};
}

bool IsHeaderOf(const ParsedKey& key, const std::string& bytes) {
  const auto header = DecodeObjectHeader(bytes);
  return header.ok() && CheckHeaderAgainstKey(*header, key).ok();
}

// An owner claim's, whose key has no hash.
bool HasHeader(std::string_view bytes) {
  return DecodeObjectHeader(bytes.substr(0, kHeaderBytes)).ok();
}

// Whether it is worth asking the next copy.
bool IsOfOneCopy(const Status& error) {
  return error.Is(StatusCode::kNotFound) || error.Is(StatusCode::kCorruption);
}

}  // namespace

Status MergedCopies::Put(std::string_view key, ObjectSource& /*source*/,
                         PutMode /*mode*/) {
  return Refused(key);
}

Status MergedCopies::Delete(std::string_view key) { return Refused(key); }

std::string MergedCopies::Describe() const {
  std::string all;
  for (const ObjectCopy& copy : copies_) {
    all += (all.empty() ? "" : " and ") + copy.store->Describe();
  }
  return all;
}

Result<std::string> MergedCopies::GetFirst(
    std::string_view key, ByteRange range, uint64_t max_bytes,
    const std::function<bool(const std::string&)>& is_good) {
  Result<std::string> first = copies_.front().store->Get(key, range, max_bytes);
  if (first.ok() && is_good(*first)) return first;
  for (size_t i = 1; i < copies_.size(); ++i) {
    auto other = copies_[i].store->Get(key, range, max_bytes);
    if (other.ok() && is_good(*other)) return other;
    // Any answer says more than that there is none.
    if (!first.ok() && !first.status().Is(StatusCode::kUnavailable)) {
      const bool tells_more =
          other.ok() || !other.status().Is(StatusCode::kNotFound);
      if (tells_more) first = std::move(other);
    }
  }
  return first;
}

Result<std::string> MergedCopies::Get(std::string_view key, ByteRange range,
                                      uint64_t max_bytes) {
  const auto parsed = ParseObjectKey(key);
  const bool is_header =
      range.offset == 0 && range.length > 0 && range.length <= kHeaderBytes;
  if (is_header || !parsed.ok()) {
    return GetFirst(key, range, max_bytes, [&](const std::string& bytes) {
      return parsed.ok() ? IsHeaderOf(*parsed, bytes) : HasHeader(bytes);
    });
  }
  TREFOIL_ASSIGN(ObjectStore * store, FindVerified(key));
  return store->Get(key, range, max_bytes);
}

Result<ObjectStore*> MergedCopies::FindVerified(std::string_view key) {
  {
    const MutexLock lock(mu_);
    const auto known = verified_.find(key);
    if (known != verified_.end()) return known->second;
  }
  Status first;
  for (const ObjectCopy& copy : copies_) {
    const auto info = copy.store->Head(key);
    const Status verified =
        info.ok() ? VerifyObjectHash(*copy.store, key, info->size_bytes)
                  : info.status();
    if (verified.ok()) {
      const MutexLock lock(mu_);
      verified_.emplace(key, copy.store.get());
      return copy.store.get();
    }
    if (first.ok() || first.Is(StatusCode::kNotFound)) first = verified;
    if (!IsOfOneCopy(verified)) first = verified;
  }
  return first;
}

Result<ObjectInfo> MergedCopies::Head(std::string_view key) {
  Status first;
  for (const ObjectCopy& copy : copies_) {
    auto info = copy.store->Head(key);
    if (info.ok()) return info;
    if (first.ok() || first.Is(StatusCode::kNotFound)) first = info.status();
  }
  return first;
}

Status MergedCopies::List(std::string_view prefix, std::string_view start_after,
                          const std::function<bool(const ObjectInfo&)>& visit) {
  std::map<std::string, uint64_t> all;
  for (const ObjectCopy& copy : copies_) {
    TREFOIL_TRY(
        copy.store->List(prefix, start_after, [&all](const ObjectInfo& info) {
          uint64_t& size = all[info.key];
          size = std::max(size, info.size_bytes);
          return true;
        }));
  }
  for (const auto& [key, size_bytes] : all) {
    if (!visit({key, size_bytes})) break;
  }
  return OkStatus();
}

}  // namespace trefoil
