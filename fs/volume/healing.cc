// SPDX-License-Identifier: Apache-2.0
// What the volume's surface has for making up what the primary lacks.
#include "fs/base/log.h"
#include "fs/index/history.h"
#include "fs/index/keys.h"
#include "fs/volume/pack_object.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

// Calls `visit` for each object that holds blocks and is not retired, in pack
// order, until it returns false.
Status VisitHolders(
    IndexView& index,
    const std::function<Result<bool>(PackNo, const PackRecord&)>& visit) {
  auto cursor = index.NewCursor(Family::kLive, "P", "Q");
  for (cursor->Seek("P"); cursor->Valid(); cursor->Next()) {
    TREFOIL_ASSIGN(const PackRecord record,
                   PackRecord::Decode(cursor->value()));
    if (record.retired) continue;
    TREFOIL_ASSIGN(const bool go_on,
                   visit(PackNo(NumberInKey(cursor->key())), record));
    if (!go_on) break;
  }
  return cursor->status();
}

Result<bool> IsNewestVolumeObject(ObjectStore& objects, uint64_t number) {
  bool newest = true;
  TREFOIL_TRY(objects.List("volume/", "", [&](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    newest = newest && (!parsed.ok() || parsed->number <= number);
    return true;
  }));
  return newest;
}

bool HasBlocks(IndexView& index, PackNo pack) {
  const std::string prefix = KeyOf('M', pack.value);
  const auto cursor =
      index.NewCursor(Family::kLocal, prefix, AfterPrefix(prefix));
  cursor->Seek(prefix);
  return cursor->Valid();
}

// Where a record of `family` under `key`, born in `birth`, is seen: the live
// tree, or the oldest snapshot that has it. Nothing where nobody sees it.
std::optional<SnapshotId> SeenIn(Family family, std::string_view key,
                                 Epoch birth,
                                 const std::vector<SnapshotInfo>& snapshots) {
  if (family == Family::kLive) return SnapshotId();
  for (const SnapshotInfo& snapshot : snapshots) {
    if (birth <= snapshot.epoch && snapshot.epoch <= LastOfHistory(key)) {
      return snapshot.id;
    }
  }
  return std::nullopt;
}

}  // namespace

void VolumeImpl::SetCopies(ObjectCopies copies) {
  core_->healer->SetCopies(std::move(copies));
}

void VolumeImpl::OnHealWait(std::function<void(int)> on_wait) {
  core_->healer->OnWait(std::move(on_wait));
}

// Garbage collection's retired objects must not come back, nor a volume object
// that a change of the ways in replaced.
Result<bool> VolumeImpl::IsNeeded(const std::string& key) {
  Index& index = *core_->index;
  TREFOIL_ASSIGN(const ParsedKey object, ParseObjectKey(key));
  if (object.kind == ObjectKind::kCommit) {
    TREFOIL_ASSIGN(
        const auto bytes,
        index.Get(Family::kLocal, LocalCommitKey(CommitSeq(object.number))));
    if (!bytes) return false;
    TREFOIL_ASSIGN(const CommitRecord record, CommitRecord::Decode(*bytes));
    return record.name == object.name && record.size_bytes > 0;
  }
  if (object.kind == ObjectKind::kVolume) {
    return IsNewestVolumeObject(*core_->objects, object.number);
  }
  if (object.kind != ObjectKind::kPack) {
    return core_->objects->Head(key).ok();
  }
  bool needed = false;
  TREFOIL_TRY(
      VisitHolders(index, [&](PackNo, const PackRecord& pack) -> Result<bool> {
        needed = pack.kind == ObjectKind::kPack && pack.name == object.name;
        return !needed;
      }));
  return needed;
}

Status VolumeImpl::Heal(const std::string& key, const Status& why) {
  const Status trimmed(StatusCode::kTrimmed, key + " is no longer needed");
  TREFOIL_ASSIGN(bool needed, IsNeeded(key));
  if (!needed) return trimmed;
  TREFOIL_TRY(core_->healer->Heal(key, 0, why));
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  // A pack that collection let go meanwhile is swept up by the next opening,
  // but an old way in must not open anything again.
  if (parsed.kind != ObjectKind::kVolume) return OkStatus();
  TREFOIL_ASSIGN(needed, IsNeeded(key));
  if (needed) return OkStatus();
  TREFOIL_TRY(core_->objects->DeleteDurably(key));
  return trimmed;
}

Result<std::vector<ObjectInfo>> VolumeImpl::MissingPacks() {
  std::vector<ObjectInfo> missing;
  TREFOIL_TRY(
      VisitHolders(*core_->index,
                   [&](PackNo number, const PackRecord& pack) -> Result<bool> {
                     if (pack.kind != ObjectKind::kPack) return true;
                     const std::string key = ObjectKeyOf(pack);
                     const auto there = core_->objects->Head(key);
                     if (there.ok() && there->size_bytes == pack.size_bytes)
                       return true;
                     const bool absent =
                         there.ok() || there.status().Is(StatusCode::kNotFound);
                     if (!absent) return there.status();
                     if (HasBlocks(*core_->index, number)) {
                       missing.push_back({key, pack.size_bytes});
                     }
                     return true;
                   }));
  return missing;
}

Result<uint64_t> VolumeImpl::Salvage(const std::string& key,
                                     const std::vector<std::string>& damaged) {
  std::optional<std::pair<PackNo, PackRecord>> found;
  TREFOIL_TRY(
      VisitHolders(*core_->index,
                   [&](PackNo number, const PackRecord& pack) -> Result<bool> {
                     if (ObjectKeyOf(pack) == key) found.emplace(number, pack);
                     return !found.has_value();
                   }));
  if (!found) return uint64_t{0};
  TREFOIL_ASSIGN(const auto lost,
                 committer_.Salvage(found->first, found->second, damaged));
  if (lost.empty()) {
    LogWarning("volume", "{}: no copy has it whole; all its blocks were saved",
               key);
    return uint64_t{0};
  }
  const Status why(StatusCode::kCorruption,
                   key + ": no copy has all of it good; " +
                       std::to_string(lost.size()) + " of its blocks are lost");
  LogError("volume", "{}", why.message());
  TREFOIL_TRY(NoteLost({lost.begin(), lost.end()}, why));
  return uint64_t{lost.size()};
}

Status VolumeImpl::NoteLost(const std::set<BlockNo>& blocks,
                            const Status& why) {
  const auto snapshots = core_->snapshots.List();
  for (const Family family : {Family::kLive, Family::kHistory}) {
    const auto cursor = core_->index->NewCursor(family, "E", "F");
    for (cursor->Seek("E"); cursor->Valid(); cursor->Next()) {
      const auto extent = ExtentRecord::Decode(cursor->value());
      if (!extent.ok() || !blocks.contains(extent->block)) continue;
      const auto seen = SeenIn(family, cursor->key(), extent->birth, snapshots);
      if (!seen) continue;
      const InodeId inode(NumberInKey(cursor->key()));
      lost_files_.Note(NodeId::Make(*seen, inode), why);
    }
    TREFOIL_TRY(cursor->status());
  }
  return OkStatus();
}

}  // namespace trefoil
