// SPDX-License-Identifier: Apache-2.0
#include "fs/object/copies.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "fs/object/object_format.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

// Larger objects are read twice instead of being held in memory.
constexpr uint64_t kHeldBytes = 64ULL << 20;

// Asks copy after copy, and collects what they answer.
class Asking {
 public:
  Asking(const ObjectCopies& copies, std::string_view key)
      : copies_(copies), key_(key) {}

  // The name of the copy that `try_one` succeeded with. An error that
  // `is_final` names ends it at once.
  Result<std::string> Run(const std::function<Status(ObjectStore&)>& try_one,
                          const std::function<bool(const Status&)>& is_final) {
    for (const ObjectCopy& copy : copies_) {
      const Status tried = try_one(*copy.store);
      if (tried.ok()) return copy.name;
      if (is_final(tried)) return tried;
      Note(copy.name, tried);
    }
    if (copies_.empty()) answers_ = "; there is no other copy";
    return Status(code_, std::string(key_) + ": no good copy" + answers_);
  }

 private:
  void Note(const std::string& name, const Status& answer) {
    const bool for_good = answer.Is(StatusCode::kNotFound) ||
                          answer.Is(StatusCode::kCorruption) ||
                          answer.Is(StatusCode::kInvalidArgument);
    if (!for_good) code_ = StatusCode::kUnavailable;
    answers_ += "; " + name + ": " + answer.ToString();
  }

  const ObjectCopies& copies_;
  const std::string_view key_;
  StatusCode code_ = StatusCode::kCorruption;
  std::string answers_;
};

Result<uint64_t> SizeIn(ObjectStore& store, std::string_view key,
                        uint64_t size_bytes) {
  if (size_bytes != 0) return size_bytes;
  TREFOIL_ASSIGN(const ObjectInfo info, store.Head(key));
  return info.size_bytes;
}

Status ReadGood(ObjectStore& store, std::string_view key, const Hash256& name,
                uint64_t size_bytes, std::string* bytes) {
  TREFOIL_ASSIGN(const uint64_t size, SizeIn(store, key, size_bytes));
  if (size > kMaxObjectBytes) {
    return {StatusCode::kCorruption, "larger than any object"};
  }
  bytes->resize(size);
  TREFOIL_TRY(
      StoreSource(store, std::string(key), name, size).ReadAt(0, *bytes));
  if (Sha256::Of(*bytes) == name) return OkStatus();
  return {StatusCode::kCorruption, "the bytes do not hash to its name"};
}

// What the copy has where no good object is; `bytes` are what was read of it.
void KeepDamaged(ObjectStore& store, std::string_view key, const Status& why,
                 std::string bytes, std::vector<std::string>* damaged) {
  if (!why.Is(StatusCode::kCorruption)) return;
  const auto info = store.Head(key);
  if (!info.ok()) return;
  if (info->size_bytes != bytes.size()) {
    auto all = store.Get(key, {0, 0}, kMaxObjectBytes);
    if (!all.ok()) return;
    bytes = std::move(*all);
  }
  damaged->push_back(std::move(bytes));
}

}  // namespace

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

Result<std::string> FindGoodObject(const ObjectCopies& copies,
                                   std::string_view key, uint64_t size_bytes,
                                   std::string* from,
                                   std::vector<std::string>* damaged) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  std::string bytes;
  const auto read = [&](ObjectStore& store) {
    const Status status = ReadGood(store, key, parsed.name, size_bytes, &bytes);
    if (!status.ok() && damaged != nullptr) {
      KeepDamaged(store, key, status, std::move(bytes), damaged);
      bytes.clear();
    }
    return status;
  };
  TREFOIL_ASSIGN(*from, Asking(copies, key).Run(read, [](const Status&) {
    return false;
  }));
  return bytes;
}

Result<std::string> HealObject(
    const ObjectCopies& copies, std::string_view key, uint64_t size_bytes,
    ObjectStore& to, const std::function<Status(uint64_t)>& check_room) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  bool found = false;
  return Asking(copies, key)
      .Run(
          [&](ObjectStore& from) -> Status {
            TREFOIL_ASSIGN(const uint64_t size, SizeIn(from, key, size_bytes));
            if (check_room) TREFOIL_TRY(check_room(size));
            if (size > kHeldBytes) {
              TREFOIL_TRY(VerifyObjectHash(from, key, size));
              found = true;
              StoreSource source(from, std::string(key), parsed.name, size);
              return to.Put(key, source, PutMode::kReplace);
            }
            std::string bytes;
            TREFOIL_TRY(ReadGood(from, key, parsed.name, size, &bytes));
            found = true;
            MemorySource source(bytes, parsed.name);
            return to.Put(key, source, PutMode::kReplace);
          },
          // What is wrong then is `to`.
          [&found](const Status&) { return found; });
}

}  // namespace trefoil
