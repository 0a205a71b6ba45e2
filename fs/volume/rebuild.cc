// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/rebuild.h"

#include <algorithm>
#include <map>

#include "fs/base/log.h"
#include "fs/index/index.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/object/commit.h"
#include "fs/volume/transaction.h"

namespace trefoil {
namespace {

constexpr size_t kBatchChanges = 4096;

Status Damaged(std::string_view key, std::string_view what) {
  return {StatusCode::kCorruption, std::string(key) + ": " + std::string(what)};
}

}  // namespace

Result<std::vector<ChainLink>> FindChain(ObjectStore& store) {
  std::map<Hash256, ChainLink> by_name;
  const ChainLink* newest = nullptr;
  // Keys sort by generation, then sequence number: the last one is the head.
  TREFOIL_TRY(store.List("commit/", "", [&](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (!parsed.ok()) return true;
    newest = &(by_name[parsed->name] = {info.key, *parsed, info.size_bytes});
    return true;
  }));
  std::vector<ChainLink> chain;
  while (newest != nullptr) {
    chain.push_back(*newest);
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(store, newest->key));
    if (newest->parsed.number == 1) break;
    const auto previous = by_name.find(header.previous);
    if (previous == by_name.end() ||
        previous->second.parsed.number + 1 != newest->parsed.number) {
      return Damaged(newest->key,
                     "the commit before it is missing: commit " +
                         std::to_string(newest->parsed.number - 1) + ", hash " +
                         header.previous.ToHex());
    }
    newest = &previous->second;
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

namespace {

// Checks a live-family value by its table.
Status CheckValue(char table, std::string_view value) {
  switch (table) {
    case 'D':
      return DirentRecord::Decode(value).status();
    case 'E':
      return ExtentRecord::Decode(value).status();
    case 'I':
      return InodeRecord::Decode(value).status();
    case 'X':
      return XattrRecord::Decode(value).status();
    case 'B':
      return BlockRecord::Decode(value).status();
    case 'P':
      return PackRecord::Decode(value).status();
    case 'S':
      return SnapshotRecord::Decode(value).status();
    default:
      return DecodeNumber(value).status();
  }
}

bool HasKeyShape(std::string_view key) {
  if (key.empty()) return false;
  switch (key[0]) {
    case 'D':
    case 'E':
      return key.size() == 17;
    case 'I':
    case 'B':
    case 'N':
    case 'O':
    case 'P':
    case 'S':
      return key.size() == 9;
    case 'X':
      return key.size() > 10 && key.back() == '\0' &&
             key.find('\0', 9) == key.size() - 1;
    case 'C':
      return key.size() > 1;
    default:
      return false;
  }
}

}  // namespace

Status CheckEntry(uint8_t family, std::string_view key,
                  const std::optional<std::string>& value) {
  const Status bad(StatusCode::kCorruption, "a delta entry is malformed");
  std::string_view live_key = key;
  if (family == static_cast<uint8_t>(Family::kHistory)) {
    if (key.size() <= 8) return bad;
    live_key = LiveKeyOfHistory(key);
    if (!IsVersioned(live_key)) return bad;
  } else if (family != static_cast<uint8_t>(Family::kLive)) {
    return bad;
  }
  if (!HasKeyShape(live_key)) return bad;
  return value ? CheckValue(live_key[0], *value) : OkStatus();
}

namespace {

class Rebuilder {
 public:
  Rebuilder(LocalTree& objects, Index& index)
      : objects_(objects), index_(index) {}

  Status AddCommit(const ChainLink& link) {
    // The hash first: nothing of a bad object may reach the index.
    TREFOIL_TRY(VerifyObjectHash(objects_, link.key, link.size_bytes));
    CommitInfo info;
    TREFOIL_TRY(ReadCommit(
        objects_, link.key,
        [&](const ObjectHeader&, const CommitInfo& found) {
          info = found;
          return OkStatus();
        },
        [&](const DeltaEntry& entry) { return AddEntry(link, entry); }));
    const CommitRecord record{
        info.generation, link.parsed.name, link.size_bytes, info.time_nanos,
        info.cut,        info.epoch,       info.pack_no};
    batch_.Put(Family::kLocal, LocalCommitKey(info.seq), record.Encode());
    const PackRecord own{ObjectKind::kCommit, link.parsed.name, link.size_bytes,
                         info.generation, info.seq.value};
    batch_.Put(Family::kLive, PackNoKey(info.pack_no), own.Encode());
    // The commit's own number is the highest that was used when it was made.
    batch_.Put(Family::kLive, CounterKey(kPackCounter),
               EncodeNumber(info.pack_no.value + 1));
    cut_ = info.cut;
    return FlushBatch();
  }

 private:
  Status AddEntry(const ChainLink& link, const DeltaEntry& entry) {
    if (Status bad = CheckEntry(entry.family, entry.key, entry.value);
        !bad.ok()) {
      return bad.WithContext(link.key);
    }
    const auto family = static_cast<Family>(entry.family);
    if (entry.value) {
      batch_.Put(family, entry.key, *entry.value);
    } else {
      batch_.Delete(family, entry.key);
    }
    return batch_.changes().size() < kBatchChanges ? OkStatus() : FlushBatch();
  }

  Status FlushBatch() {
    TREFOIL_TRY(AddDerived(&batch_));
    TREFOIL_TRY(index_.Apply(batch_, cut_));
    batch_.Clear();
    return OkStatus();
  }

  LocalTree& objects_;
  Index& index_;
  IndexBatch batch_;
  Lsn cut_;
};

}  // namespace

Status RebuildIndex(World world, LocalTree& objects,
                    const std::string& index_path) {
  TREFOIL_ASSIGN(const auto chain, FindChain(objects));
  if (chain.empty()) {
    return Damaged(objects.Describe(),
                   "there is no commit to rebuild the index from; recover "
                   "from another copy");
  }
  LogInfo("volume", "rebuilding the index from {} commits", chain.size());
  const std::string building = index_path + ".new";
  TREFOIL_TRY(world.env.RemoveTree(building));
  {
    TREFOIL_ASSIGN(auto index, Index::Open(world.env, building, {}));
    Rebuilder rebuilder(objects, *index);
    for (const ChainLink& link : chain) {
      TREFOIL_TRY(rebuilder.AddCommit(link));
    }
    TREFOIL_TRY(index->Flush());
  }
  TREFOIL_TRY(world.env.Rename(building, index_path));
  return world.env.SyncDir(DirName(index_path));
}

}  // namespace trefoil
