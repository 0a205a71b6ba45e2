// SPDX-License-Identifier: Apache-2.0
#include "replicator/recover.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/log.h"
#include "fs/object/commit.h"
#include "fs/volume/hydration.h"
#include "fs/volume/identity.h"
#include "fs/volume/rebuild.h"
#include "replicator/audit.h"
#include "replicator/chain.h"
#include "replicator/merged_copies.h"

namespace trefoil {

namespace {

constexpr uint64_t kMaxMarkerBytes = 4096;

ObjectCopies CopiesOf(ObjectStore& from, const ObjectCopies& others) {
  // It outlives the recovery, as the caller promised.
  ObjectCopies copies = {
      {from.Describe(),
       std::shared_ptr<ObjectStore>(std::shared_ptr<void>(), &from)}};
  copies.insert(copies.end(), others.begin(), others.end());
  return copies;
}

// One recovery, step by step; everything that fails leaves what is there for
// the next try.
class Recovery {
 public:
  Recovery(World world, ObjectStore& from, const std::string& path,
           const RecoverOptions& options)
      : world_(world),
        env_(world.env),
        from_(from),
        path_(path),
        options_(options),
        objects_(world.env, Path("objects")),
        copies_(CopiesOf(from, options.others)),
        merged_(copies_),
        view_(options.others.empty() ? from : merged_) {}

  Result<Recovered> Run(const TargetSettings& from_settings) {
    TREFOIL_TRY(LookAtTarget());
    TREFOIL_TRY(Begin());
    TREFOIL_TRY(FetchChain());
    TREFOIL_TRY(FetchHolders());
    TREFOIL_TRY(Finish(from_settings));
    return damaged_.empty() ? Recovered() : Salvage();
  }

 private:
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }

  Status LookAtTarget();
  Status Begin();
  Status CheckPlace();
  Status FetchChain();
  Status FetchCheckpoint();
  Status FetchCommits();
  Status DropOthers();
  [[nodiscard]] Status CheckNewest() const;
  Status CheckHolders();
  Status FetchHolders();
  Status Fetch(const std::vector<ObjectItem>& items);
  Status Fetch(const std::vector<ObjectItem>& items,
               const FetchOptions& options);
  // Packs that could not be fetched: no copy has them good.
  Status NoteDamaged(const std::vector<ObjectItem>& packs);
  Result<Recovered> Salvage();
  Status Finish(const TargetSettings& from_settings);

  const World world_;
  Env& env_;
  ObjectStore& from_;
  const std::string path_;
  const RecoverOptions& options_;
  LocalTree objects_;
  const ObjectCopies copies_;  // all that were given
  MergedCopies merged_;
  ObjectStore& view_;  // of what the chain is made of
  CopySecrets copy_;
  std::shared_ptr<const Keyring> keyring_;

  std::unique_ptr<FileLock> lock_;
  std::string marker_;        // what the marker file says: the volume's id
  ObjectItem volume_object_;  // that opened; others would be in the way
  std::optional<CommitSeq> newest_;  // that is wanted
  OwnedChain chain_;
  // What holds blocks of the chain's last state.
  std::unordered_map<Hash256, ObjectItem, HashOfName> holders_;
  HydrationPlan later_;              // what is not fetched here
  std::vector<ObjectInfo> damaged_;  // of that, what no copy has good
  uint64_t done_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

// Before anything is made: is there a volume to recover?
Status Recovery::LookAtTarget() {
  TREFOIL_ASSIGN(copy_, OpenSecretsOf(view_, options_.secret));
  keyring_ = copy_.secrets.MakeKeyring();
  const VolumeId& id = copy_.secrets.identity.volume_id;
  marker_ = ToHex({id.data(), id.size()}) + "\n";
  TREFOIL_ASSIGN(const ParsedKey opened, ParseObjectKey(copy_.object_key));
  TREFOIL_ASSIGN(const ObjectInfo there, view_.Head(copy_.object_key));
  volume_object_ = {there.key, opened.name, there.size_bytes};
  newest_ = options_.at_seq;
  if (options_.at_nanos) {
    TREFOIL_ASSIGN(newest_, FindCommitAt(view_, *keyring_, *options_.at_nanos,
                                         options_.strangers));
  }
  TREFOIL_ASSIGN(chain_,
                 FindOwnedChain(view_, *keyring_, options_.strangers, newest_));
  TREFOIL_TRY(CheckNewest());
  total_bytes_ += volume_object_.size_bytes;
  for (const ChainLink& link : chain_.links) total_bytes_ += link.size_bytes;
  return OkStatus();
}

Status Recovery::CheckPlace() {
  if (!env_.Exists(path_)) return OkStatus();
  TREFOIL_ASSIGN(const auto entries, env_.List(path_));
  if (entries.empty()) return OkStatus();
  auto marker = env_.ReadFile(Path("recovering"), kMaxMarkerBytes);
  if (marker.ok() && *marker == marker_) return OkStatus();
  if (marker.ok()) {
    return Status(StatusCode::kAlreadyExists,
                  path_ +
                      ": the recovery of another volume was begun here; "
                      "remove the directory or choose another one");
  }
  return Status(StatusCode::kAlreadyExists,
                path_ + ": the directory is not empty; choose another one");
}

Status Recovery::Begin() {
  TREFOIL_TRY(CheckPlace());
  TREFOIL_TRY(env_.CreateDirs(path_));
  // The marker comes before all else, so that no half volume ever opens.
  TREFOIL_TRY(env_.WriteFileAtomically(Path("recovering"), marker_));
  auto lock = env_.Lock(Path("lock"));
  if (!lock.ok()) return lock.status().WithContext("another recovery runs");
  lock_ = std::move(*lock);
  TREFOIL_TRY(env_.CreateDirs(Path("objects")));
  return objects_.RemoveTemporaries();
}

Status Recovery::Fetch(const std::vector<ObjectItem>& items) {
  return Fetch(items, options_.fetch);
}

Status Recovery::Fetch(const std::vector<ObjectItem>& items,
                       const FetchOptions& options) {
  FetchOptions fetch = options;
  if (!options_.others.empty()) fetch.others = copies_;
  TREFOIL_TRY(FetchObjects(from_, objects_, items, fetch, [&](uint64_t bytes) {
    if (!options_.progress) return;
    options_.progress(done_bytes_ + bytes, total_bytes_);
  }));
  for (const ObjectItem& item : items) done_bytes_ += item.size_bytes;
  return OkStatus();
}

// A damaged checkpoint costs nothing while the one before it is there with the
// commits since.
Status Recovery::FetchChain() {
  TREFOIL_TRY(Fetch({volume_object_}));
  std::set<std::string> damaged = options_.strangers;
  while (chain_.links.front().parsed.kind == ObjectKind::kCheckpoint) {
    const std::string key = chain_.links.front().key;
    const Status fetched = FetchCheckpoint();
    if (!fetched.Is(StatusCode::kCorruption)) {
      TREFOIL_TRY(fetched);
      break;
    }
    damaged.insert(key);
    auto other = FindOwnedChain(view_, *keyring_, damaged, newest_);
    const bool leads_there =
        other.ok() && IsSameState(other->links.back(), chain_.links.back());
    if (!leads_there) return fetched;
    LogWarning("replicator", "{}; going on from what is before it",
               fetched.ToString());
    chain_.links = std::move(other->links);
  }
  TREFOIL_TRY(FetchCommits());
  TREFOIL_TRY(CheckLinks(objects_, chain_.links));
  return DropOthers();
}

Status Recovery::FetchCheckpoint() {
  const ChainLink& link = chain_.links.front();
  TREFOIL_TRY(Fetch({{link.key, link.parsed.name, link.size_bytes}}));
  holders_.clear();
  return VisitCheckpointObjects(
      objects_, *keyring_, link.key,
      [this](const ObjectInfo& object) -> Status {
        TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
        holders_[parsed.name] = {object.key, parsed.name, object.size_bytes};
        return OkStatus();
      });
}

Status Recovery::FetchCommits() {
  std::vector<ObjectItem> items;
  total_bytes_ = done_bytes_;
  for (const ChainLink& link : chain_.links) {
    if (link.parsed.kind == ObjectKind::kCheckpoint) continue;
    items.push_back({link.key, link.parsed.name, link.size_bytes});
    total_bytes_ += link.size_bytes;
  }
  TREFOIL_TRY(Fetch(items));
  for (const ChainLink& link : chain_.links) {
    if (link.parsed.kind == ObjectKind::kCheckpoint) continue;
    TREFOIL_ASSIGN(const CommitInfo info,
                   ReadCommitInfo(objects_, *keyring_, link.key));
    for (const PackRef& pack : info.packs_added) {
      holders_[pack.name] = ItemOf(pack);
    }
    for (const PackRef& gone : info.packs_retired) holders_.erase(gone.name);
  }
  return OkStatus();
}

// An earlier try may have seen another branch.
Status Recovery::DropOthers() {
  std::unordered_set<std::string> wanted = {volume_object_.key};
  for (const ChainLink& link : chain_.links) wanted.insert(link.key);
  for (const auto& [name, item] : holders_) wanted.insert(item.key);
  std::vector<std::string> others;
  for (const char* prefix : {"commit/", "checkpoint/", "volume/"}) {
    TREFOIL_TRY(objects_.List(prefix, "", [&](const ObjectInfo& info) {
      if (!wanted.contains(info.key)) others.push_back(info.key);
      return true;
    }));
  }
  for (const std::string& key : others) TREFOIL_TRY(objects_.Delete(key));
  return OkStatus();
}

Status Recovery::CheckNewest() const {
  const uint64_t found = chain_.links.back().parsed.number;
  if (!options_.at_seq || found == options_.at_seq->value) return OkStatus();
  return {StatusCode::kNotFound,
          fmt::format("{}: does not hold commit {} any more, or not yet; the "
                      "newest before it is {}",
                      from_.Describe(), options_.at_seq->value, found)};
}

// Of a state that is not the newest the target may have let go.
Status Recovery::CheckHolders() {
  if (!newest_) return OkStatus();
  TREFOIL_ASSIGN(const HeldObjects held, ListHeld(view_, [] { return true; }));
  uint64_t gone = 0;
  for (const auto& [name, item] : holders_) {
    if (!held.Has(item.name, item.size_bytes)) ++gone;
  }
  if (gone == 0) return OkStatus();
  return {StatusCode::kNotFound,
          fmt::format("{}: commit {} is no longer whole there: {} of its {} "
                      "objects are gone",
                      from_.Describe(), chain_.links.back().parsed.number, gone,
                      holders_.size())};
}

Status Recovery::FetchHolders() {
  TREFOIL_TRY(CheckHolders());
  std::vector<ObjectItem> commits;
  std::vector<ObjectItem> packs;
  for (const auto& [name, item] : holders_) {
    const bool is_pack = item.key == PackKey(item.name);
    if (is_pack && !options_.full) {
      ++later_.objects;
      later_.bytes += item.size_bytes;
      continue;
    }
    (is_pack ? packs : commits).push_back(item);
    total_bytes_ += item.size_bytes;
  }
  TREFOIL_TRY(Fetch(commits));
  FetchOptions fetch = options_.fetch;
  fetch.skip_bad = true;
  const Status fetched = Fetch(packs, fetch);
  if (fetched.Is(StatusCode::kNotFound) ||
      fetched.Is(StatusCode::kCorruption)) {
    TREFOIL_TRY(NoteDamaged(packs));
  } else {
    TREFOIL_TRY(fetched);
  }
  if (later_.objects > 0) return BeginHydration(env_, path_, later_);
  // Of an earlier try that was to fetch less.
  if (FindHydration(env_, path_)) return EndHydration(env_, path_);
  return OkStatus();
}

Status Recovery::NoteDamaged(const std::vector<ObjectItem>& packs) {
  for (const ObjectItem& pack : packs) {
    const auto there = objects_.Head(pack.key);
    if (there.ok() && there->size_bytes == pack.size_bytes) continue;
    damaged_.push_back({pack.key, pack.size_bytes});
    ++later_.objects;
    later_.bytes += pack.size_bytes;
  }
  return OkStatus();
}

// The volume is whole but for these packs. It moves their good blocks itself.
Result<Recovered> Recovery::Salvage() {
  lock_.reset();
  VolumeOptions open;
  open.background = false;
  if (options_.secret.kind != Secret::Kind::kNone) {
    open.secret = std::make_shared<const Secret>(options_.secret);
  }
  TREFOIL_ASSIGN(const auto volume, Volume::Open(world_, path_, open));
  Recovered recovered;
  for (const ObjectInfo& pack : damaged_) {
    std::string from;
    std::vector<std::string> damaged;
    const auto good =
        FindGoodObject(copies_, pack.key, pack.size_bytes, &from, &damaged);
    // It is good by now, or may be at a copy that does not answer: the mounted
    // volume goes on from here.
    if (!good.status().Is(StatusCode::kCorruption)) continue;
    TREFOIL_TRY(volume->Salvage(pack.key, damaged).status());
  }
  TREFOIL_TRY(volume->Commit().status());
  recovered.lost_files = volume->status().lost_files;
  TREFOIL_ASSIGN(const auto missing, volume->MissingPacks());
  TREFOIL_TRY(volume->Close());
  if (missing.empty()) TREFOIL_TRY(EndHydration(env_, path_));
  return recovered;
}

Status Recovery::Finish(const TargetSettings& from_settings) {
  TREFOIL_TRY(env_.RemoveTree(Path("index")));
  TREFOIL_TRY(RebuildIndex(world_, objects_, *keyring_, path_));
  const SecretBytes& volume_key = copy_.secrets.volume_key;
  if (options_.keep_key_file && !volume_key.empty()) {
    TREFOIL_TRY(WriteKeyFile(env_, KeyFilePath(path_), volume_key));
  }
  // Its commits must never be taken for those of an older generation.
  TREFOIL_TRY(env_.WriteFileAtomically(
      Path("generation"), fmt::format("{}\n", chain_.highest.value)));
  VolumeConfig config;
  config.detached = true;
  config.targets.push_back(from_settings);
  for (const TargetSettings& other : options_.other_targets) {
    config.targets.push_back(other);
  }
  TREFOIL_TRY(SaveConfig(env_, path_, config));
  TREFOIL_TRY(env_.Remove(Path("recovering")));
  TREFOIL_TRY(env_.SyncDir(path_));
  LogInfo("replicator", "{}: recovered commit {} from {}", path_,
          chain_.links.back().parsed.number, from_.Describe());
  return OkStatus();
}

}  // namespace

Result<Recovered> RecoverVolume(World world, ObjectStore& from,
                                const TargetSettings& from_settings,
                                const std::string& volume_path,
                                const RecoverOptions& options) {
  return Recovery(world, from, volume_path, options).Run(from_settings);
}

}  // namespace trefoil
