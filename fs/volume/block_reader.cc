// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/block_reader.h"

#include "fs/index/keys.h"
#include "fs/volume/pack_object.h"

namespace trefoil {
namespace {

// Bound on remembered pack names, about 100 bytes each.
constexpr size_t kMaxPackKeys = 16384;

// The reader's plan may be older than what garbage collection has done since:
// kNotFound makes it plan again.
Status Missing(std::string_view what, uint64_t number) {
  return {StatusCode::kNotFound, "index: " + std::string(what) + " " +
                                     std::to_string(number) +
                                     " is named but not there; run fsck"};
}

}  // namespace

Result<std::shared_ptr<const std::string>> BlockReader::Read(BlockNo block) {
  if (auto cached = FindCached(block)) return cached;
  TREFOIL_ASSIGN(std::string raw, ReadUncached(block));
  auto data = std::make_shared<const std::string>(std::move(raw));
  Remember(block, data);
  return data;
}

uint64_t BlockReader::memory_bytes() const {
  MutexLock lock(mu_);
  return used_bytes_;
}

std::shared_ptr<const std::string> BlockReader::FindCached(BlockNo block) {
  MutexLock lock(mu_);
  const auto at = by_block_.find(block);
  if (at == by_block_.end()) return nullptr;
  lru_.splice(lru_.begin(), lru_, at->second);
  return at->second->data;
}

void BlockReader::Remember(BlockNo block,
                           std::shared_ptr<const std::string> data) {
  MutexLock lock(mu_);
  if (by_block_.count(block) != 0) return;
  used_bytes_ += data->size();
  lru_.push_front({block, std::move(data)});
  by_block_[block] = lru_.begin();
  while (used_bytes_ > cache_bytes_ && lru_.size() > 1) {
    used_bytes_ -= lru_.back().data->size();
    by_block_.erase(lru_.back().block);
    lru_.pop_back();
  }
}

Result<std::string> BlockReader::KeyOfPack(PackNo pack) {
  {
    MutexLock lock(mu_);
    const auto at = pack_keys_.find(pack);
    if (at != pack_keys_.end()) return at->second;
  }
  TREFOIL_ASSIGN(auto bytes, index_.Get(Family::kLive, PackNoKey(pack)));
  if (!bytes) return Missing("pack", pack.value);
  TREFOIL_ASSIGN(const PackRecord record, PackRecord::Decode(*bytes));
  std::string key = ObjectKeyOf(record);
  MutexLock lock(mu_);
  if (pack_keys_.size() >= kMaxPackKeys) pack_keys_.clear();
  pack_keys_[pack] = key;
  return key;
}

Result<std::string> BlockReader::ReadUncached(BlockNo block) {
  TREFOIL_ASSIGN(auto bytes, index_.Get(Family::kLive, BlockKey(block)));
  if (!bytes) return Missing("block", block.value);
  TREFOIL_ASSIGN(const BlockRecord record, BlockRecord::Decode(*bytes));
  TREFOIL_ASSIGN(const std::string key, KeyOfPack(record.pack));
  TREFOIL_ASSIGN(OpenedFrame frame,
                 objects_.ReadFrame(key, record.location, keyring_));
  if (frame.type != FrameType::kBlock) {
    return Status(StatusCode::kCorruption,
                  key + ": frame " + std::to_string(frame.location.frame_no) +
                      " is not a block");
  }
  return std::move(frame.raw);
}

}  // namespace trefoil
