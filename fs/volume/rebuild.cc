// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/rebuild.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "fs/base/log.h"
#include "fs/index/history.h"
#include "fs/index/index.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/object/commit.h"
#include "fs/object/object_reader.h"
#include "fs/object/read_ahead.h"
#include "fs/volume/owned_head.h"
#include "fs/volume/pack_object.h"
#include "fs/volume/transaction.h"

namespace trefoil {
namespace {

constexpr size_t kBatchChanges = 4096;

Status Damaged(std::string_view key, std::string_view what) {
  return {StatusCode::kCorruption, std::string(key) + ": " + std::string(what)};
}

}  // namespace

namespace {

// What of a chain lies in a store.
struct Listing {
  std::map<Hash256, ChainLink> commits;                    // by name
  std::map<uint64_t, std::vector<ChainLink>> checkpoints;  // by number
  std::optional<ChainLink> head;

  // From the head back, as it can be told before their headers are read.
  [[nodiscard]] std::vector<ObjectInfo> NewestFirst() const;
};

std::vector<ObjectInfo> Listing::NewestFirst() const {
  std::multimap<uint64_t, ObjectInfo, std::greater<>> by_number;
  for (const auto& [name, link] : commits) {
    if (head && link.parsed.number > head->parsed.number) continue;
    by_number.emplace(link.parsed.number,
                      ObjectInfo{link.key, link.size_bytes});
  }
  std::vector<ObjectInfo> newest_first;
  for (auto& [number, info] : by_number) {
    newest_first.push_back(std::move(info));
  }
  return newest_first;
}

// A round that failed when its commit was in place already is repeated under
// the same number: of several commits the one with the latest cut counts.
Status SettleHead(ObjectStore& store, const Keyring& keyring,
                  Listing* listing) {
  const ParsedKey head = listing->head->parsed;
  std::vector<ChainLink> same;
  for (const auto& [name, link] : listing->commits) {
    if (link.parsed.generation == head.generation &&
        link.parsed.number == head.number) {
      same.push_back(link);
    }
  }
  if (same.size() == 1) return OkStatus();
  std::optional<Lsn> latest;
  for (const ChainLink& link : same) {
    const auto info = ReadCommitInfo(store, keyring, link.key);
    if (info.status().Is(StatusCode::kCorruption)) continue;
    // Who has no key takes the last one.
    if (info.status().Is(StatusCode::kNoKey)) return OkStatus();
    TREFOIL_TRY(info.status());
    if (latest && info->cut <= *latest) continue;
    latest = info->cut;
    listing->head = link;
  }
  return OkStatus();
}

Result<std::vector<ChainLink>> ListLinks(ObjectStore& store,
                                         std::string_view prefix) {
  std::vector<ChainLink> links;
  TREFOIL_TRY(store.List(prefix, "", [&links](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) links.push_back({info.key, *parsed, info.size_bytes});
    return true;
  }));
  return links;
}

// As their headers say, which need no key; a damaged one says nothing.
Result<std::vector<OwnerBase>> ListOwnerBases(ObjectStore& store) {
  std::vector<std::string> keys;
  TREFOIL_TRY(store.List("owner/", "", [&keys](const ObjectInfo& info) {
    keys.push_back(info.key);
    return true;
  }));
  std::vector<OwnerBase> bases;
  for (const std::string& key : keys) {
    const auto bytes = store.Get(key, {0, kHeaderBytes}, kHeaderBytes);
    if (bytes.status().Is(StatusCode::kNotFound) ||
        bytes.status().Is(StatusCode::kCorruption)) {
      continue;
    }
    TREFOIL_TRY(bytes.status());
    const auto header = DecodeObjectHeader(*bytes);
    if (!header.ok() || header->kind != ObjectKind::kOwner) continue;
    bases.push_back({header->generation, header->number, header->previous});
  }
  return bases;
}

Result<Listing> ListChain(ObjectStore& store, const Keyring& keyring) {
  TREFOIL_ASSIGN(auto claims, ListOwnerBases(store));
  TREFOIL_ASSIGN(const auto commits, ListLinks(store, "commit/"));
  TREFOIL_ASSIGN(const auto checkpoints, ListLinks(store, "checkpoint/"));
  Listing found;
  for (const ChainLink& link : commits) found.commits[link.parsed.name] = link;
  for (const ChainLink& link : checkpoints) {
    found.checkpoints[link.parsed.number].push_back(link);
  }
  TREFOIL_ASSIGN(const auto head,
                 FindOwnedHead(store, commits, checkpoints, std::move(claims)));
  if (!head) return found;
  found.head = head->link;
  const bool has_twins = head->link.parsed.kind == ObjectKind::kCommit &&
                         head->owner == head->link.parsed.generation;
  if (has_twins) TREFOIL_TRY(SettleHead(store, keyring, &found));
  return found;
}

// The checkpoint that stands for commit `number` of this name.
Result<std::optional<ChainLink>> CheckpointOf(ObjectStore& store,
                                              const Listing& listing,
                                              uint64_t number,
                                              const Hash256& commit_name) {
  const auto at = listing.checkpoints.find(number);
  if (at == listing.checkpoints.end()) return std::optional<ChainLink>();
  for (const ChainLink& link : at->second) {
    const auto header = ReadObjectHeader(store, link.key);
    // A damaged one is as good as none while the commits are still there.
    if (header.status().Is(StatusCode::kCorruption)) continue;
    TREFOIL_TRY(header.status());
    if (header->previous == commit_name) return std::optional(link);
  }
  return std::optional<ChainLink>();
}

}  // namespace

Result<std::vector<ChainLink>> FindChain(ObjectStore& store,
                                         const Keyring& keyring,
                                         unsigned readers) {
  TREFOIL_ASSIGN(const Listing listing, ListChain(store, keyring));
  std::vector<ChainLink> chain;
  std::optional<ChainLink> next = listing.head;
  if (next && next->parsed.kind == ObjectKind::kCheckpoint) {
    chain.push_back(*next);
    return chain;
  }
  ReadAhead headers(store, listing.NewestFirst(), {readers, kHeaderBytes});
  while (next) {
    TREFOIL_ASSIGN(
        const auto whole,
        CheckpointOf(store, listing, next->parsed.number, next->parsed.name));
    if (whole) {
      chain.push_back(*whole);
      break;
    }
    chain.push_back(*next);
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(headers, next->key));
    const uint64_t before = next->parsed.number - 1;
    if (before == 0) break;
    const auto previous = listing.commits.find(header.previous);
    if (previous != listing.commits.end() &&
        previous->second.parsed.number == before) {
      next = previous->second;
      continue;
    }
    TREFOIL_ASSIGN(const auto stand_in,
                   CheckpointOf(store, listing, before, header.previous));
    if (!stand_in) {
      return Damaged(next->key, "the commit before it is missing: commit " +
                                    std::to_string(before) + ", hash " +
                                    header.previous.ToHex());
    }
    chain.push_back(*stand_in);
    break;
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

Status VisitCheckpointObjects(
    ObjectStore& store, const Keyring& keyring, std::string_view checkpoint_key,
    const std::function<Status(const ObjectInfo&)>& visit) {
  std::unordered_set<PackNo> holders;  // of blocks; 'B' sorts before 'P'
  return ReadCommit(
      store, keyring, checkpoint_key,
      [](const ObjectHeader&, const CommitInfo&) { return OkStatus(); },
      [&](const DeltaEntry& entry) -> Status {
        if (entry.family != static_cast<uint8_t>(Family::kLive)) {
          return OkStatus();
        }
        TREFOIL_TRY(CheckEntry(entry.family, entry.key, entry.value)
                        .WithContext(checkpoint_key));
        if (entry.key[0] == 'B') {
          TREFOIL_ASSIGN(const BlockRecord block,
                         BlockRecord::Decode(*entry.value));
          holders.insert(block.pack);
        }
        if (entry.key[0] != 'P') return OkStatus();
        TREFOIL_ASSIGN(const PackRecord record,
                       PackRecord::Decode(*entry.value));
        if (!holders.contains(PackNo(NumberInKey(entry.key)))) {
          return OkStatus();
        }
        return visit({ObjectKeyOf(record), record.size_bytes});
      });
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
    case 'Z':
      return DeadRecord::Decode(value).status();
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
    case 'Z':
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
    // Where the live value is, no history can be: walks go on above it.
    if (!IsVersioned(live_key) || LastOfHistory(key) == kLiveEpoch) return bad;
  } else if (family != static_cast<uint8_t>(Family::kLive)) {
    return bad;
  }
  if (!HasKeyShape(live_key)) return bad;
  return value ? CheckValue(live_key[0], *value) : OkStatus();
}

namespace {

class Rebuilder {
 public:
  Rebuilder(LocalTree& objects, const Keyring& keyring, Index& index)
      : objects_(objects), keyring_(keyring), index_(index) {}

  Status Add(const ChainLink& link) {
    // The hash first: nothing of a bad object may reach the index.
    TREFOIL_TRY(VerifyObjectHash(objects_, link.key, link.size_bytes));
    CommitInfo info;
    TREFOIL_TRY(ReadCommit(
        objects_, keyring_, link.key,
        [&](const ObjectHeader&, const CommitInfo& found) {
          info = found;
          return OkStatus();
        },
        [&](const DeltaEntry& entry) { return AddEntry(link, entry); }));
    TREFOIL_TRY(link.parsed.kind == ObjectKind::kCheckpoint
                    ? RegisterCheckpoint(link, info)
                    : RegisterCommit(link, info));
    cut_ = info.cut;
    return FlushBatch();
  }

 private:
  void Register(const CommitInfo& info, const Hash256& name,
                uint64_t size_bytes) {
    const CommitRecord record{info.generation, name,     size_bytes,
                              info.time_nanos, info.cut, info.epoch,
                              info.pack_no};
    batch_.Put(Family::kLocal, LocalCommitKey(info.seq), record.Encode());
  }

  Status RegisterCommit(const ChainLink& link, const CommitInfo& info) {
    Register(info, link.parsed.name, link.size_bytes);
    const PackRecord own{ObjectKind::kCommit, link.parsed.name, link.size_bytes,
                         info.generation, info.seq.value};
    batch_.Put(Family::kLive, PackNoKey(info.pack_no), own.Encode());
    // The commit's own number is the highest that was used when it was made.
    batch_.Put(Family::kLive, CounterKey(kPackCounter),
               EncodeNumber(info.pack_no.value + 1));
    return OkStatus();
  }

  // A checkpoint has all records already, but those of this machine: the
  // commit that it equals is known by name, and need not be there.
  Status RegisterCheckpoint(const ChainLink& link, const CommitInfo& info) {
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(objects_, link.key));
    const auto commit =
        objects_.Head(CommitKey(info.generation, info.seq, header.previous));
    if (!commit.ok() && !commit.status().Is(StatusCode::kNotFound)) {
      return commit.status();
    }
    Register(info, header.previous, commit.ok() ? commit->size_bytes : 0);
    return OkStatus();
  }

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
  const Keyring& keyring_;
  Index& index_;
  IndexBatch batch_;
  Lsn cut_;
};

}  // namespace

// Keeps a bad index for whoever wants to look at it, one generation long.
Status SetIndexAside(Env& env, const std::string& volume_path) {
  const std::string path = JoinPath(volume_path, "index");
  const std::string aside = path + ".damaged";
  TREFOIL_TRY(env.RemoveTree(aside));
  TREFOIL_TRY(env.Rename(path, aside));
  return env.SyncDir(volume_path);
}

Status RebuildIndex(World world, LocalTree& objects, const Keyring& keyring,
                    const std::string& volume_path) {
  TREFOIL_ASSIGN(const auto chain, FindChain(objects, keyring));
  if (chain.empty()) {
    return Damaged(objects.Describe(),
                   "there is no commit to rebuild the index from; recover "
                   "from another copy");
  }
  LogInfo("volume", "rebuilding the index from {}{} commits",
          chain.front().parsed.kind == ObjectKind::kCheckpoint
              ? "a checkpoint as the first of "
              : "",
          chain.size());
  const std::string index_path = JoinPath(volume_path, "index");
  const std::string building = index_path + ".new";
  TREFOIL_TRY(world.env.RemoveTree(building));
  {
    TREFOIL_ASSIGN(auto index, Index::Open(world.env, building, {}));
    Rebuilder rebuilder(objects, keyring, *index);
    for (const ChainLink& link : chain) {
      TREFOIL_TRY(rebuilder.Add(link));
    }
    TREFOIL_TRY(index->Flush());
  }
  if (world.env.Exists(index_path)) {
    TREFOIL_TRY(SetIndexAside(world.env, volume_path));
  }
  TREFOIL_TRY(world.env.Rename(building, index_path));
  return world.env.SyncDir(volume_path);
}

}  // namespace trefoil
