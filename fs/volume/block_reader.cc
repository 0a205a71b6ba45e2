// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/block_reader.h"

#include "fs/index/keys.h"
#include "fs/object/object_reader.h"
#include "fs/volume/pack_object.h"

namespace trefoil {
namespace {

// Bound on remembered packs, about 100 bytes each.
constexpr size_t kMaxPacks = 16384;

// The reader's plan may be older than what garbage collection has done since:
// kNotFound makes it plan again.
Status Missing(std::string_view what, uint64_t number) {
  return {StatusCode::kNotFound, "index: " + std::string(what) + " " +
                                     std::to_string(number) +
                                     " is named but not there; run fsck"};
}

// What a frame holds that was looked for as a block's.
Result<std::string> BlockIn(Result<OpenedFrame> frame, std::string_view key) {
  TREFOIL_TRY(frame.status());
  if (frame->type == FrameType::kBlock) return std::move(frame->raw);
  return Status(StatusCode::kCorruption,
                std::string(key) + ": frame " +
                    std::to_string(frame->location.frame_no) +
                    " is not a block");
}

}  // namespace

Result<std::string> OpenDamagedBlock(const std::vector<std::string>& damaged,
                                     const Keyring& keyring,
                                     const SecretBytes& block_key,
                                     const std::string& key,
                                     const BlockRecord& record) {
  for (const std::string& object : damaged) {
    auto raw = BlockIn(OpenFrameOf(object, keyring, key, record.location), key);
    if (raw.ok() && HmacSha256(block_key.view(), *raw) == record.id) return raw;
  }
  return Status(StatusCode::kCorruption, key + ": no copy has the block good");
}

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

Result<BlockRecord> BlockReader::Find(BlockNo block) {
  TREFOIL_ASSIGN(auto bytes, index_.Get(Family::kLive, BlockKey(block)));
  if (!bytes) return Missing("block", block.value);
  return BlockRecord::Decode(*bytes);
}

Result<BlockReader::PackObject> BlockReader::LoadPack(PackNo pack) {
  TREFOIL_ASSIGN(auto bytes, index_.Get(Family::kLive, PackNoKey(pack)));
  if (!bytes) return Missing("pack", pack.value);
  TREFOIL_ASSIGN(const PackRecord record, PackRecord::Decode(*bytes));
  return PackObject{ObjectKeyOf(record), record.size_bytes};
}

Result<BlockReader::PackObject> BlockReader::FindPack(PackNo pack) {
  {
    MutexLock lock(mu_);
    const auto at = packs_.find(pack);
    if (at != packs_.end()) return at->second;
  }
  TREFOIL_ASSIGN(PackObject object, LoadPack(pack));
  MutexLock lock(mu_);
  if (packs_.size() >= kMaxPacks) packs_.clear();
  packs_[pack] = object;
  return object;
}

Result<std::string> BlockReader::ReadUncached(BlockNo block) {
  TREFOIL_ASSIGN(const BlockRecord record, Find(block));
  TREFOIL_ASSIGN(const PackObject pack, FindPack(record.pack));
  auto frame = objects_.ReadFrame(pack.key, record.location, keyring_);
  if (!frame.ok()) return Heal(block, record, pack, frame.status());
  return BlockIn(std::move(frame), pack.key);
}

Result<std::string> BlockReader::Heal(BlockNo block, const BlockRecord& record,
                                      const PackObject& pack,
                                      const Status& why) {
  const bool is_missing = why.Is(StatusCode::kNotFound);
  if (is_missing) {
    // Garbage collection moves what is in use away before a file goes.
    TREFOIL_ASSIGN(const BlockRecord now, Find(block));
    TREFOIL_TRY(LoadPack(now.pack).status());
    if (now.pack != record.pack) return why;
  } else if (!why.Is(StatusCode::kCorruption) &&
             !why.Is(StatusCode::kIoError)) {
    return why;
  }
  Healer::Damaged damaged;
  const auto good = healer_.Fetch(pack.key, pack.size_bytes, why, &damaged);
  if (good.ok()) {
    return BlockIn(OpenFrameOf(**good, keyring_, pack.key, record.location),
                   pack.key);
  }
  if (damaged != nullptr) {
    auto raw =
        OpenDamagedBlock(*damaged, keyring_, block_key_, pack.key, record);
    if (raw.ok()) return raw;
  }
  return Status(StatusCode::kCorruption,
                (is_missing ? "not on the primary: " : why.message() + "; ") +
                    good.status().message());
}

}  // namespace trefoil
