// SPDX-License-Identifier: Apache-2.0
// What the volume's surface has for making up what the primary lacks.
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

}  // namespace trefoil
