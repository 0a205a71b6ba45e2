// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/transaction.h"

#include "fs/base/bytes.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"

namespace trefoil {
namespace {

constexpr uint8_t kPut = 1;
constexpr uint8_t kDelete = 2;
// What a change or an effect costs beside its bytes, at most.
constexpr uint64_t kChangeOverheadBytes = 12;
constexpr uint64_t kEffectBytes = 48;

Status Malformed() {
  return {StatusCode::kCorruption, "journal: a transaction is malformed"};
}

void EncodeEffect(const Effect& effect, ByteWriter* out) {
  out->U8(static_cast<uint8_t>(effect.type));
  out->Varint(effect.inode.value);
  out->Varint(effect.epoch.value);
  out->Varint(effect.offset);
  out->Varint(effect.length);
  if (effect.type == EffectType::kWrite) out->Varint(effect.data_offset);
  if (effect.type == EffectType::kBlocks) {
    out->Varint(effect.block.value);
    out->Varint(effect.block_offset);
  }
}

Result<Effect> DecodeEffect(ByteReader* in) {
  Effect effect;
  const uint8_t type = in->U8();
  effect.type = static_cast<EffectType>(type);
  effect.inode = InodeId(in->Varint());
  effect.epoch = Epoch(in->Varint());
  effect.offset = in->Varint();
  effect.length = in->Varint();
  if (effect.type == EffectType::kWrite) {
    effect.data_offset = static_cast<uint32_t>(in->Varint());
  }
  if (effect.type == EffectType::kBlocks) {
    effect.block = BlockNo(in->Varint());
    effect.block_offset = in->Varint();
  }
  const bool known = type >= static_cast<uint8_t>(EffectType::kWrite) &&
                     type <= static_cast<uint8_t>(EffectType::kDrop);
  if (!in->ok() || !known || effect.offset + effect.length < effect.offset) {
    return Malformed();
  }
  return effect;
}

}  // namespace

Result<std::optional<std::string>> Transaction::Get(Family family,
                                                    std::string_view key) {
  const FullKey full(family, key);
  if (const auto at = changes_.find(full); at != changes_.end()) {
    return at->second;
  }
  if (const auto at = reads_.find(full); at != reads_.end()) return at->second;
  TREFOIL_ASSIGN(auto value, index_.Get(family, key));
  reads_.emplace(full, value);
  return value;
}

void Transaction::Put(Family family, std::string key, std::string value) {
  size_bytes_ += key.size() + value.size() + kChangeOverheadBytes;
  changes_[{family, std::move(key)}] = std::move(value);
}

void Transaction::Delete(Family family, std::string key) {
  size_bytes_ += key.size() + kChangeOverheadBytes;
  changes_[{family, std::move(key)}] = std::nullopt;
}

bool Transaction::MovesToHistory(Epoch birth) const {
  return birth < epoch_ && retained_.AnyIn(birth, Epoch(epoch_.value - 1));
}

Status Transaction::PutVersioned(const std::string& key, std::string value) {
  TREFOIL_ASSIGN(auto old, Get(Family::kLive, key));
  if (old) {
    TREFOIL_ASSIGN(const Epoch birth, BirthOf(*old));
    if (MovesToHistory(birth)) {
      Put(Family::kHistory, HistoryKey(key, Epoch(epoch_.value - 1)),
          std::move(*old));
    }
  }
  Put(Family::kLive, key, std::move(value));
  return OkStatus();
}

Status Transaction::DeleteVersioned(const std::string& key) {
  TREFOIL_ASSIGN(auto old, Get(Family::kLive, key));
  if (!old) return OkStatus();
  TREFOIL_ASSIGN(const Epoch birth, BirthOf(*old));
  if (MovesToHistory(birth)) {
    Put(Family::kHistory, HistoryKey(key, Epoch(epoch_.value - 1)),
        std::move(*old));
  }
  Delete(Family::kLive, key);
  return OkStatus();
}

void Transaction::VisitChanges(
    Family family, std::string_view lower, std::string_view upper,
    const std::function<void(const std::string&,
                             const std::optional<std::string>&)>& visit) const {
  const auto end = changes_.lower_bound({family, std::string(upper)});
  for (auto at = changes_.lower_bound({family, std::string(lower)}); at != end;
       ++at) {
    visit(at->first.second, at->second);
  }
}

void Transaction::Absorb(const Transaction& other) {
  for (const auto& [key, value] : other.changes_) {
    if (value) {
      Put(key.first, key.second, *value);
    } else {
      Delete(key.first, key.second);
    }
  }
  effects_.insert(effects_.end(), other.effects_.begin(), other.effects_.end());
}

Result<std::optional<InodeRecord>> Transaction::GetInode(InodeId inode) {
  TREFOIL_ASSIGN(auto bytes, Get(Family::kLive, InodeKey(inode)));
  if (!bytes) return std::optional<InodeRecord>();
  TREFOIL_ASSIGN(InodeRecord record, InodeRecord::Decode(*bytes));
  return std::optional<InodeRecord>(std::move(record));
}

Status Transaction::PutInode(InodeId inode, InodeRecord record) {
  record.birth = epoch_;
  return PutVersioned(InodeKey(inode), record.Encode());
}

Status Transaction::Count(BlockNo block, int64_t delta) {
  const std::string key = CountKey(block);
  TREFOIL_ASSIGN(auto bytes, Get(Family::kLive, key));
  uint64_t count = 0;
  if (bytes) {
    TREFOIL_ASSIGN(count, DecodeNumber(*bytes));
  }
  if (delta < 0 && count < static_cast<uint64_t>(-delta)) {
    return {StatusCode::kCorruption,
            "index: block " + std::to_string(block.value) +
                " is named by more extents than its count says; run fsck"};
  }
  if (count == 0 && delta > 0) {
    const std::string dead = DeadKey(block);
    TREFOIL_ASSIGN(const auto was_dead, Get(Family::kLive, dead));
    if (was_dead) Delete(Family::kLive, dead);
  }
  count += static_cast<uint64_t>(delta);
  if (count == 0) {
    Delete(Family::kLive, key);
    return Bury(block);
  }
  Put(Family::kLive, key, EncodeNumber(count));
  return OkStatus();
}

Status Transaction::Bury(BlockNo block) {
  TREFOIL_ASSIGN(const auto bytes, Get(Family::kLive, BlockKey(block)));
  if (!bytes) {
    return {StatusCode::kCorruption, "index: block " +
                                         std::to_string(block.value) +
                                         " is counted but not there; run fsck"};
  }
  TREFOIL_ASSIGN(const BlockRecord record, BlockRecord::Decode(*bytes));
  const DeadRecord dead{record.pack, record.location.stored_bytes};
  Put(Family::kLive, DeadKey(block), dead.Encode());
  return OkStatus();
}

std::string Transaction::Encode() const {
  std::string meta;
  meta.reserve(size_bytes_ + effects_.size() * kEffectBytes);
  ByteWriter out(&meta);
  out.Varint(changes_.size());
  for (const auto& [key, value] : changes_) {
    out.U8(static_cast<uint8_t>(key.first));
    out.U8(value ? kPut : kDelete);
    out.Sized(key.second);
    if (value) out.Sized(*value);
  }
  out.Varint(effects_.size());
  for (const Effect& effect : effects_) EncodeEffect(effect, &out);
  return meta;
}

IndexBatch Transaction::Batch() const {
  IndexBatch batch;
  for (const auto& [key, value] : changes_) {
    if (value) {
      batch.Put(key.first, key.second, *value);
    } else {
      batch.Delete(key.first, key.second);
    }
  }
  return batch;
}

Result<DecodedTransaction> DecodeTransaction(std::string_view meta) {
  ByteReader in(meta);
  DecodedTransaction decoded;
  const uint64_t changes = in.Varint();
  for (uint64_t i = 0; in.ok() && i < changes; ++i) {
    const uint8_t family = in.U8();
    const uint8_t op = in.U8();
    std::string key(in.Sized());
    if (family >= kFamilies || (op != kPut && op != kDelete) || key.empty()) {
      return Malformed();
    }
    if (op == kPut) {
      decoded.batch.Put(static_cast<Family>(family), std::move(key),
                        std::string(in.Sized()));
    } else {
      decoded.batch.Delete(static_cast<Family>(family), std::move(key));
    }
  }
  const uint64_t effects = in.Varint();
  for (uint64_t i = 0; in.ok() && i < effects; ++i) {
    TREFOIL_ASSIGN(const Effect effect, DecodeEffect(&in));
    decoded.effects.push_back(effect);
  }
  if (!in.AtEnd()) return Malformed();
  return decoded;
}

namespace {

DirtySource SourceOf(const Effect& effect, const JournalPosition& data) {
  if (effect.type == EffectType::kWrite) {
    JournalPosition position = data;
    position.data_offset += effect.data_offset;
    return position;
  }
  if (effect.type == EffectType::kBlocks) {
    return BlockSource{effect.block, effect.block_offset};
  }
  return HoleSource{};
}

}  // namespace

void ApplyEffect(const Effect& effect, const JournalPosition& data,
                 DirtyMap::Stripe& stripe) {
  InodeDirty& dirty = stripe.inodes[effect.inode];
  switch (effect.type) {
    case EffectType::kWrite:
    case EffectType::kHole:
    case EffectType::kBlocks:
      dirty.layers[effect.epoch].Insert(
          {effect.offset, effect.length, SourceOf(effect, data)});
      break;
    case EffectType::kDestaged:
      if (const auto at = dirty.layers.find(effect.epoch);
          at != dirty.layers.end()) {
        at->second.Remove(effect.offset, effect.length);
        if (at->second.empty()) dirty.layers.erase(at);
      }
      break;
    case EffectType::kDrop:
      dirty.layers.erase(effect.epoch);
      break;
  }
  if (dirty.layers.empty()) stripe.inodes.erase(effect.inode);
}

Status AddDerived(IndexBatch* batch) {
  IndexBatch derived;
  for (const IndexChange& change : batch->changes()) {
    if (change.family != Family::kLive || change.key.size() != 9 ||
        change.key[0] != 'B' || !change.value) {
      continue;
    }
    TREFOIL_ASSIGN(const BlockRecord block, BlockRecord::Decode(*change.value));
    const BlockNo number(NumberInKey(change.key));
    derived.Put(Family::kLocal, BlockIdKey(block.id),
                EncodeNumber(number.value));
    derived.Put(Family::kLocal, MemberKey(block.pack, number), EncodeNumber(0));
  }
  for (const IndexChange& change : derived.changes()) {
    batch->Put(change.family, change.key, *change.value);
  }
  return OkStatus();
}

}  // namespace trefoil
