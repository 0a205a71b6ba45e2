// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/chain_check.h"

#include <algorithm>
#include <utility>

#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/object/object_reader.h"
#include "fs/object/read_ahead.h"
#include "fs/verify/record_check.h"
#include "fs/verify/state_compare.h"

namespace trefoil {

namespace {

bool IsCheckpoint(const ChainLink& link) {
  return link.parsed.kind == ObjectKind::kCheckpoint;
}

}  // namespace

Result<ChainState> ChainCheck::Run(const std::vector<ChainLink>& chain,
                                   bool compare) {
  state_.complete = !chain.empty();
  std::vector<ObjectInfo> order;
  for (const ChainLink& link : chain) {
    order.push_back({link.key, link.size_bytes});
  }
  ReadAhead ahead(store_, std::move(order), {readers_, kObjectPieceBytes});
  for (const ChainLink& link : chain) {
    ListedObject* const listed = table_.Find(link.parsed);
    if (listed != nullptr) listed->named = true;
    const Status read = ReadLink(ahead, link);
    TREFOIL_TRY(progress_.Object(link.size_bytes));
    if (!read.ok()) {
      state_.complete = false;
      if (listed != nullptr) listed->bad = true;
      TREFOIL_TRY(Damaged(link.parsed.kind, link.key, read));
      continue;
    }
    if (IsCheckpoint(link)) continue;
    TREFOIL_TRY(AddOwnRecords(link));
    if (compare && state_.complete) TREFOIL_TRY(CompareCheckpoints(link));
  }
  TREFOIL_TRY(writer_.Flush());
  return state_;
}

Status ChainCheck::Damaged(ObjectKind kind, std::string key,
                           const Status& status) {
  const bool is_checkpoint = kind == ObjectKind::kCheckpoint;
  findings_.BadObject(key);
  return findings_.ErrorOf(
      is_checkpoint ? "damaged-checkpoint" : "damaged-commit", std::move(key),
      status);
}

Status ChainCheck::CheckLoose() {
  std::vector<ListedObject*> loose;
  std::vector<ObjectInfo> order;
  for (ListedObject& object : table_.objects()) {
    if (!IsInChain(object.parsed.kind) || object.named) continue;
    loose.push_back(&object);
    order.push_back({object.Key(), object.size_bytes});
  }
  ReadAhead ahead(store_, order, {readers_, kObjectPieceBytes});
  for (size_t i = 0; i < loose.size(); ++i) {
    const Status read = ReadCommit(
        ahead, keyring_, order[i].key,
        [](const ObjectHeader&, const CommitInfo&) { return OkStatus(); },
        [](const DeltaEntry&) { return OkStatus(); });
    TREFOIL_TRY(progress_.Object(order[i].size_bytes));
    loose[i]->bad = !read.ok();
    if (read.ok()) continue;
    TREFOIL_TRY(Damaged(loose[i]->parsed.kind, order[i].key, read));
  }
  return OkStatus();
}

Status ChainCheck::CompareCheckpoints(const ChainLink& commit) {
  for (ListedObject& object : table_.objects()) {
    if (object.parsed.kind != ObjectKind::kCheckpoint ||
        object.parsed.number != commit.parsed.number) {
      continue;
    }
    const std::string key = object.Key();
    const auto header = ReadObjectHeader(store_, key);
    // Damage is found where it is read for its own sake.
    if (!header.ok() || header->previous != commit.parsed.name) continue;
    TREFOIL_TRY(writer_.Flush());
    StateCompare compare(scratch_);
    const Status read = ReadCommit(
        store_, keyring_, key,
        [](const ObjectHeader&, const CommitInfo&) { return OkStatus(); },
        [&](const DeltaEntry& entry) { return compare.Next(entry); });
    if (!read.ok()) continue;
    TREFOIL_TRY(compare.Finish());
    if (compare.difference().empty()) continue;
    object.bad = true;
    findings_.Error("wrong-checkpoint", key,
                    "is not what the commits give: " + compare.difference());
  }
  return OkStatus();
}

Status ChainCheck::ReadLink(ObjectStore& ahead, const ChainLink& link) {
  packs_seen_.clear();
  retired_seen_.clear();
  TREFOIL_TRY(ReadCommit(
      ahead, keyring_, link.key,
      [&](const ObjectHeader& header, const CommitInfo& info) {
        return OnInfo(link, header, info);
      },
      [&](const DeltaEntry& entry) { return OnEntry(link, entry); }));
  CheckPacks(link);
  return OkStatus();
}

Status ChainCheck::OnInfo(const ChainLink& link, const ObjectHeader& header,
                          const CommitInfo& info) {
  if (volume_id_ && header.volume_id != *volume_id_) {
    Bad(link, "belongs to another volume");
  }
  if (info.generation < info_.generation) {
    Bad(link, "is of an older generation than the commit before it");
  }
  if (info.epoch <= state_.epoch || info.cut <= state_.cut) {
    Bad(link, "its cut is not after that of the commit before it");
  }
  if (info.pack_no <= last_pack_no_) {
    Bad(link, "its number as a holder of blocks was used before");
  }
  last_pack_no_ = std::max(last_pack_no_, info.pack_no);
  state_.seq = info.seq;
  state_.epoch = std::max(state_.epoch, info.epoch);
  state_.cut = std::max(state_.cut, info.cut);
  info_ = info;
  return OkStatus();
}

Status ChainCheck::OnEntry(const ChainLink& link, const DeltaEntry& entry) {
  const auto family = static_cast<Family>(entry.family);
  if (!CheckEntry(entry.family, entry.key, entry.value).ok()) {
    Bad(link, "a delta entry is malformed: " + DescribeKey(family, entry.key));
    return OkStatus();
  }
  if (!entry.value) return writer_.Delete(family, entry.key);
  if (family == Family::kLive && entry.key[0] == 'P') {
    TREFOIL_ASSIGN(const PackRecord pack, PackRecord::Decode(*entry.value));
    if (pack.retired || pack.kind == ObjectKind::kPack) {
      (pack.retired ? retired_seen_ : packs_seen_)
          .push_back(
              {PackNo(NumberInKey(entry.key)), pack.name, pack.size_bytes});
    }
  }
  return writer_.Put(family, entry.key, *entry.value);
}

namespace {

// `seen` is in order.
bool AreSame(const std::vector<PackRef>& seen, std::vector<PackRef> listed) {
  std::sort(
      listed.begin(), listed.end(),
      [](const PackRef& a, const PackRef& b) { return a.pack_no < b.pack_no; });
  return std::equal(seen.begin(), seen.end(), listed.begin(), listed.end(),
                    [](const PackRef& a, const PackRef& b) {
                      return a.pack_no == b.pack_no && a.name == b.name &&
                             a.size_bytes == b.size_bytes;
                    });
}

}  // namespace

// Who copies the chain goes by the lists; who rebuilds it, by the entries. A
// checkpoint has no lists.
void ChainCheck::CheckPacks(const ChainLink& link) {
  if (link.parsed.kind == ObjectKind::kCheckpoint) return;
  if (!AreSame(packs_seen_, info_.packs_added)) {
    Bad(link, "its list of new packs is not that of its entries");
  }
  if (!AreSame(retired_seen_, info_.packs_retired)) {
    Bad(link, "its list of retired packs is not that of its entries");
  }
}

Status ChainCheck::AddOwnRecords(const ChainLink& link) {
  if (link.parsed.kind == ObjectKind::kCheckpoint) return OkStatus();
  const PackRecord own{ObjectKind::kCommit, link.parsed.name, link.size_bytes,
                       info_.generation, info_.seq.value};
  TREFOIL_TRY(
      writer_.Put(Family::kLive, PackNoKey(info_.pack_no), own.Encode()));
  return writer_.Put(Family::kLive, CounterKey(kPackCounter),
                     EncodeNumber(info_.pack_no.value + 1));
}

}  // namespace trefoil
