// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/collector.h"

#include <algorithm>
#include <limits>

#include "fs/base/log.h"
#include "fs/index/keys.h"
#include "fs/volume/block_reader.h"
#include "fs/volume/pack_object.h"
#include "fs/volume/pack_writer.h"

namespace trefoil {
namespace {

// How long the file of a retired pack stays for those who are reading it or
// sending it away.
constexpr int64_t kGraceNanos = 30'000'000'000;
constexpr int64_t kUrgentGraceNanos = 2'000'000'000;
// A pack is emptied when this share of it is dead.
constexpr uint64_t kWorthwhilePercent = 50;
constexpr uint64_t kUrgentPercent = 15;
// Commits kept for targets that lack them, behind the newest checkpoint.
constexpr uint64_t kHeldCommitBytes = 256ULL << 20;
constexpr size_t kBlocksPerTransaction = 2000;

VolumeCore::ChangeSpec Spec() {
  VolumeCore::ChangeSpec spec;
  spec.urgent = true;
  spec.meta_bytes = kMaxTransactionBytes;
  return spec;
}

Result<std::optional<PackRecord>> FindPack(IndexView& index, PackNo number) {
  TREFOIL_ASSIGN(const auto bytes, index.Get(Family::kLive, PackNoKey(number)));
  if (!bytes) return std::optional<PackRecord>();
  TREFOIL_ASSIGN(PackRecord record, PackRecord::Decode(*bytes));
  return std::optional<PackRecord>(std::move(record));
}

Status NotDead(const PackRecord& pack, BlockNo block) {
  return {StatusCode::kCorruption,
          ObjectKeyOf(pack) + ": block " + std::to_string(block.value) +
              " is in use and can't be collected; run fsck"};
}

}  // namespace

Status Collector::Run(const Policy& policy) {
  has_work_ = false;
  Status done = [&]() -> Status {
    if (!started_) {
      TREFOIL_TRY(FindRetired());
      TREFOIL_TRY(RemoveStrayPacks());
      started_ = true;
    }
    TREFOIL_TRY(RemoveRetiredFiles(policy));
    TREFOIL_ASSIGN(const auto victims, FindVictims(policy));
    budget_bytes_ = policy.budget_bytes;
    std::vector<const Victim*> emptied;
    for (const Victim& victim : victims) {
      TREFOIL_ASSIGN(const bool empty, Empty(victim));
      if (empty) emptied.push_back(&victim);
    }
    TREFOIL_TRY(FlushMoving());
    for (const Victim* victim : emptied) TREFOIL_TRY(Retire(*victim));
    return OkStatus();
  }();
  EndPass();
  if (!done.ok() || !retired_.empty()) has_work_ = true;
  ++passes_;
  return done;
}

void Collector::EndPass() {
  moving_.clear();
  moving_bytes_ = 0;
  referenced_.clear();
}

Status Collector::EmptyCommits() {
  std::vector<Victim> commits;
  TREFOIL_TRY(
      VisitPacks(*core_.index, [&](PackNo number, const PackRecord& pack) {
        if (pack.kind == ObjectKind::kCommit && !pack.retired) {
          commits.push_back({number, pack, 0});
        }
        return OkStatus();
      }));
  const Status done = [&]() -> Status {
    FindReferenced();
    budget_bytes_ = std::numeric_limits<uint64_t>::max();
    std::vector<const Victim*> emptied;
    for (const Victim& commit : commits) {
      TREFOIL_ASSIGN(const bool empty, Empty(commit));
      if (empty) emptied.push_back(&commit);
    }
    TREFOIL_TRY(FlushMoving());
    for (const Victim* commit : emptied) TREFOIL_TRY(DropBlocks(*commit));
    return OkStatus();
  }();
  EndPass();
  return done;
}

Status Collector::FindRetired() {
  return VisitPacks(*core_.index,
                    [this](PackNo number, const PackRecord& pack) {
                      if (pack.retired) {
                        retired_.emplace(number, 0);
                        retired_bytes_ += pack.size_bytes;
                      }
                      return OkStatus();
                    });
}

// Packs that were written when a crash came before the transaction that
// registers them.
Status Collector::RemoveStrayPacks() {
  std::unordered_set<std::string> known;
  TREFOIL_TRY(
      VisitPacks(*core_.index, [&known](PackNo, const PackRecord& pack) {
        if (pack.kind == ObjectKind::kPack) known.insert(ObjectKeyOf(pack));
        return OkStatus();
      }));
  std::vector<std::string> strays;
  TREFOIL_TRY(core_.objects->List("pack/", "", [&](const ObjectInfo& info) {
    if (known.count(info.key) == 0) strays.push_back(info.key);
    return true;
  }));
  for (const std::string& key : strays) {
    LogInfo("volume", "{}: removing {}, which a crash left unregistered",
            core_.path, key);
    TREFOIL_TRY(core_.objects->Delete(key));
  }
  return OkStatus();
}

bool Collector::IsHere(const PackRecord& record) const {
  return !core_.objects->Head(ObjectKeyOf(record))
              .status()
              .Is(StatusCode::kNotFound);
}

bool Collector::IsInNextCommit(PackNo number) {
  MutexLock sequencer(core_.sequencer_mu);
  return core_.changed.Contains(Family::kLive, PackNoKey(number));
}

Status Collector::RemoveRetiredFiles(const Policy& policy) {
  const int64_t now = core_.world.clock.MonotonicNanos();
  const int64_t grace = policy.urgent ? kUrgentGraceNanos : kGraceNanos;
  for (auto at = retired_.begin(); at != retired_.end();) {
    const auto [number, since] = *at;
    if ((since != 0 && now - since < grace) || IsInNextCommit(number)) {
      ++at;
      continue;
    }
    TREFOIL_ASSIGN(const auto record, FindPack(*core_.index, number));
    if (record) {
      TREFOIL_TRY(ForgetRetired(number, *record));
      retired_bytes_ -= record->size_bytes;
    }
    at = retired_.erase(at);
  }
  return OkStatus();
}

Status Collector::ForgetRetired(PackNo number, const PackRecord& record) {
  TREFOIL_TRY(core_.objects->Delete(ObjectKeyOf(record)));
  VolumeCore::ChangeSpec spec = Spec();
  spec.lazy = true;
  return core_.Change(spec, [&](Transaction& tx) {
    tx.Delete(Family::kLive, PackNoKey(number));
    if (record.kind == ObjectKind::kCommit) {
      tx.Delete(Family::kLocal, LocalCommitKey(CommitSeq(record.number)));
    }
    return OkStatus();
  });
}

Result<std::vector<Collector::Victim>> Collector::FindVictims(
    const Policy& policy) {
  std::map<PackNo, uint64_t> dead;
  auto cursor = core_.index->NewCursor(Family::kLive, "Z", "[");
  for (cursor->Seek("Z"); cursor->Valid(); cursor->Next()) {
    TREFOIL_ASSIGN(const DeadRecord record,
                   DeadRecord::Decode(cursor->value()));
    dead[record.pack] += record.stored_bytes;
  }
  TREFOIL_TRY(cursor->status());
  const uint64_t percent = policy.urgent ? kUrgentPercent : kWorthwhilePercent;
  std::vector<Victim> victims;
  for (const auto& [number, bytes] : dead) {
    TREFOIL_ASSIGN(const auto record, FindPack(*core_.index, number));
    // Of a pack that is not here there may be nothing left but the dead.
    if (record && !record->retired && record->kind == ObjectKind::kPack &&
        (bytes * 100 >= record->size_bytes * percent || !IsHere(*record))) {
      victims.push_back({number, *record, bytes});
    }
  }
  TREFOIL_TRY(AddCommits(policy, &victims));
  // What is to be sealed anew never keeps garbage on the disk.
  core_.NoteError(AddOldPacks(policy, &victims).WithContext("sealing anew"));
  if (victims.empty()) return victims;
  // The least to move first.
  std::sort(victims.begin(), victims.end(),
            [](const Victim& a, const Victim& b) {
              return a.record.size_bytes - a.dead_bytes <
                     b.record.size_bytes - b.dead_bytes;
            });
  FindReferenced();
  return victims;
}

void Collector::FindReferenced() {
  // A dirty range may still take bytes from a dead block. Changes under way
  // are waited for; new ones refer to no dead block, and only this thread
  // makes blocks dead.
  { const OperationGate::Closed barrier(core_.gate); }
  referenced_ = core_.dirty.ReferencedBlocks();
}

Status Collector::AddCommits(const Policy& policy,
                             std::vector<Victim>* victims) {
  std::vector<Victim> commits;
  uint64_t held_bytes = 0;
  TREFOIL_TRY(
      VisitPacks(*core_.index, [&](PackNo number, const PackRecord& pack) {
        if (pack.kind != ObjectKind::kCommit || pack.retired ||
            pack.number > policy.checkpoint.value ||
            pack.number >= policy.head.value) {
          return OkStatus();
        }
        commits.push_back({number, pack, 0});
        if (pack.number > policy.released.value) held_bytes += pack.size_bytes;
        return OkStatus();
      }));
  for (const Victim& commit : commits) {
    const bool is_released = commit.record.number <= policy.released.value;
    if (is_released || policy.urgent || held_bytes > kHeldCommitBytes) {
      victims->push_back(commit);
      if (!is_released) held_bytes -= commit.record.size_bytes;
    }
  }
  return OkStatus();
}

Status Collector::AddOldPacks(const Policy& policy,
                              std::vector<Victim>* victims) {
  TREFOIL_ASSIGN(const bool asked, resealing_.IsAsked());
  if (!asked) return OkStatus();
  std::unordered_set<PackNo> chosen;
  for (const Victim& victim : *victims) chosen.insert(victim.number);
  uint64_t bytes = 0;
  bool all_known = true;
  const auto choose = [&](PackNo number, const PackRecord& pack) -> Status {
    if (pack.kind != ObjectKind::kPack || pack.retired ||
        bytes >= policy.budget_bytes || chosen.count(number) != 0) {
      return OkStatus();
    }
    TREFOIL_ASSIGN(const auto old, resealing_.IsOld(ObjectKeyOf(pack)));
    all_known = all_known && old.has_value();
    if (!old.value_or(false)) return OkStatus();
    victims->push_back({number, pack, 0});
    bytes += pack.size_bytes;
    return OkStatus();
  };
  if (!resealing_.packs_are_done()) {
    TREFOIL_TRY(VisitPacks(*core_.index, choose));
  }
  if (bytes == 0 && all_known) TREFOIL_TRY(resealing_.Finish(policy.released));
  if (bytes > 0 || resealing_.wants_checkpoint()) has_work_ = true;
  return OkStatus();
}

Result<std::vector<std::pair<BlockNo, BlockRecord>>> Collector::BlocksOf(
    PackNo pack) {
  std::vector<std::pair<BlockNo, BlockRecord>> blocks;
  const std::string prefix = KeyOf('M', pack.value);
  auto cursor =
      core_.index->NewCursor(Family::kLocal, prefix, AfterPrefix(prefix));
  for (cursor->Seek(prefix); cursor->Valid(); cursor->Next()) {
    const BlockNo number(NumberInKey(cursor->key(), 9));
    TREFOIL_ASSIGN(const auto bytes,
                   core_.index->Get(Family::kLive, BlockKey(number)));
    if (!bytes) continue;
    TREFOIL_ASSIGN(BlockRecord record, BlockRecord::Decode(*bytes));
    if (record.pack == pack) blocks.emplace_back(number, record);
  }
  TREFOIL_TRY(cursor->status());
  return blocks;
}

Result<bool> Collector::Empty(const Victim& victim) {
  TREFOIL_ASSIGN(const auto blocks, BlocksOf(victim.number));
  std::vector<MovingBlock> alive;
  uint64_t bytes = 0;
  const std::string key = ObjectKeyOf(victim.record);
  for (const auto& [number, record] : blocks) {
    TREFOIL_ASSIGN(const auto dead,
                   core_.index->Get(Family::kLive, DeadKey(number)));
    if (dead && referenced_.count(number) == 0) continue;
    bytes += record.location.raw_bytes;
    if (bytes > budget_bytes_) {
      has_work_ = true;
      return false;
    }
    auto frame = core_.objects->ReadFrame(key, record.location, *core_.keyring);
    if (!frame.ok()) {
      // It stays as it is until it is healed: moving it is not worth a bad
      // copy. One that is not here yet will be, sooner or later (O8).
      if (!frame.status().Is(StatusCode::kNotFound)) {
        core_.healer->FetchSoon(key, victim.record.size_bytes, frame.status());
        core_.NoteError(frame.status().WithContext("garbage collection"));
      }
      return false;
    }
    alive.push_back({number, victim.number, record.id, dead.has_value(),
                     std::move(frame->raw)});
  }
  budget_bytes_ -= bytes;
  for (MovingBlock& block : alive) TREFOIL_TRY(Move(std::move(block)));
  return true;
}

Status Collector::Move(MovingBlock block) {
  moving_bytes_ += block.raw.size();
  moving_.push_back(std::move(block));
  return moving_bytes_ >= kPackBytes ? FlushMoving() : OkStatus();
}

Result<std::vector<BlockNo>> Collector::Salvage(
    PackNo number, const PackRecord& record,
    const std::vector<std::string>& damaged) {
  FindReferenced();
  auto lost = SalvageBlocks({number, record, 0}, damaged);
  EndPass();
  return lost;
}

Result<std::vector<BlockNo>> Collector::SalvageBlocks(
    const Victim& pack, const std::vector<std::string>& damaged) {
  TREFOIL_ASSIGN(const auto blocks, BlocksOf(pack.number));
  const std::string key = ObjectKeyOf(pack.record);
  std::vector<BlockNo> lost;
  for (const auto& [number, record] : blocks) {
    TREFOIL_ASSIGN(const auto dead,
                   core_.index->Get(Family::kLive, DeadKey(number)));
    if (dead && referenced_.count(number) == 0) continue;
    auto raw = OpenDamagedBlock(damaged, *core_.keyring,
                                core_.identity.block_key, key, record);
    if (!raw.ok()) {
      lost.push_back(number);
      continue;
    }
    TREFOIL_TRY(Move(
        {number, pack.number, record.id, dead.has_value(), std::move(*raw)}));
  }
  TREFOIL_TRY(FlushMoving());
  if (lost.empty()) TREFOIL_TRY(Retire(pack));
  return lost;
}

Status Collector::FlushMoving() {
  if (moving_.empty()) return OkStatus();
  TREFOIL_ASSIGN(const WrittenPack written,
                 WritePack(core_, moving_.size(), [this](size_t i) {
                   return std::string_view(moving_[i].raw);
                 }));
  const PackNo pack = numbers_.next_pack;
  numbers_.next_pack = pack.Next();
  for (size_t first = 0; first < moving_.size();
       first += kBlocksPerTransaction) {
    const size_t end = std::min(moving_.size(), first + kBlocksPerTransaction);
    TREFOIL_TRY(PutMoved(pack, written.record, written.locations, first, end));
  }
  moving_.clear();
  moving_bytes_ = 0;
  return OkStatus();
}

Status Collector::PutMoved(PackNo pack, const PackRecord& record,
                           const std::vector<FrameLocation>& locations,
                           size_t first, size_t end) {
  return core_.Change(Spec(), [&](Transaction& tx) -> Status {
    tx.Put(Family::kLive, PackNoKey(pack), record.Encode());
    tx.Put(Family::kLive, CounterKey(kPackCounter),
           EncodeNumber(numbers_.next_pack.value));
    for (size_t i = first; i < end; ++i) {
      const MovingBlock& block = moving_[i];
      const BlockRecord moved{pack, locations[i], block.id};
      tx.Put(Family::kLive, BlockKey(block.number), moved.Encode());
      tx.Delete(Family::kLocal, MemberKey(block.from, block.number));
      if (block.dead) TREFOIL_TRY(tx.Bury(block.number));
    }
    return OkStatus();
  });
}

Status Collector::DropBlocks(const Victim& victim) {
  // What is left are dead blocks.
  TREFOIL_ASSIGN(const auto blocks, BlocksOf(victim.number));
  for (size_t first = 0; first < blocks.size();
       first += kBlocksPerTransaction) {
    const size_t end = std::min(blocks.size(), first + kBlocksPerTransaction);
    TREFOIL_TRY(core_.Change(Spec(), [&](Transaction& tx) -> Status {
      for (size_t i = first; i < end; ++i) {
        const auto& [number, record] = blocks[i];
        TREFOIL_ASSIGN(const auto count,
                       tx.Get(Family::kLive, CountKey(number)));
        if (count) return NotDead(victim.record, number);
        tx.Delete(Family::kLive, BlockKey(number));
        tx.Delete(Family::kLive, DeadKey(number));
        tx.Delete(Family::kLocal, MemberKey(victim.number, number));
        const std::string id = BlockIdKey(record.id);
        TREFOIL_ASSIGN(const auto named, tx.Get(Family::kLocal, id));
        if (named && *named == EncodeNumber(number.value)) {
          tx.Delete(Family::kLocal, id);
        }
      }
      return OkStatus();
    }));
  }
  return OkStatus();
}

Status Collector::Retire(const Victim& victim) {
  TREFOIL_TRY(DropBlocks(victim));
  TREFOIL_TRY(core_.Change(Spec(), [&](Transaction& tx) {
    PackRecord retired = victim.record;
    retired.retired = true;
    tx.Put(Family::kLive, PackNoKey(victim.number), retired.Encode());
    return OkStatus();
  }));
  retired_[victim.number] = core_.world.clock.MonotonicNanos();
  retired_bytes_ += victim.record.size_bytes;
  return OkStatus();
}

}  // namespace trefoil
