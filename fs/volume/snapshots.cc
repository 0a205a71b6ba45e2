// SPDX-License-Identifier: Apache-2.0
// Snapshots: creating, listing and deleting.
#include "fs/index/keys.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

constexpr size_t kMaxLabelBytes = 1024;

}  // namespace

Result<SnapshotInfo> VolumeImpl::CreateSnapshot(std::string_view label) {
  if (label.size() > kMaxLabelBytes) {
    return Status(StatusCode::kInvalidArgument,
                  "snapshot label: longer than 1024 bytes");
  }
  SnapshotInfo info;
  // Whatever joins the epoch before it ends is in the snapshot too: the end of
  // the epoch is the cut.
  TREFOIL_TRY(core_->Change({}, [&](Transaction& tx) -> Status {
    const std::string counter = CounterKey(kSnapshotCounter);
    TREFOIL_ASSIGN(const auto stored, tx.Get(Family::kLive, counter));
    uint64_t id = 1;
    if (stored) {
      TREFOIL_ASSIGN(id, DecodeNumber(*stored));
    }
    if (id >= kSnapshotsDirectory.value) {
      return {StatusCode::kNoSpace, "snapshot: all 2^24 ids are used"};
    }
    tx.Put(Family::kLive, counter, EncodeNumber(id + 1));
    info.id = SnapshotId(id);
    info.label = label;
    info.epoch = tx.epoch();
    info.time_nanos = Now();
    info.name = core_->snapshots.NewName(info.time_nanos);
    const SnapshotRecord record{info.epoch, info.time_nanos, info.name,
                                info.label};
    tx.Put(Family::kLive, SnapshotKey(info.id), record.Encode());
    core_->snapshots.Add(info);
    return OkStatus();
  }));
  core_->AdvanceEpoch(info.epoch);
  TREFOIL_TRY(Sync());
  return info;
}

Result<std::vector<SnapshotInfo>> VolumeImpl::ListSnapshots() {
  return core_->snapshots.List();
}

Status VolumeImpl::DeleteSnapshot(std::string_view name) {
  const auto info = core_->snapshots.FindByName(name);
  if (!info) {
    return {StatusCode::kNotFound,
            "snapshot " + std::string(name) + ": there is none of that name"};
  }
  VolumeCore::ChangeSpec spec;
  spec.urgent = true;
  TREFOIL_TRY(core_->Change(spec, [&](Transaction& tx) {
    tx.Delete(Family::kLive, SnapshotKey(info->id));
    return OkStatus();
  }));
  core_->snapshots.Remove(info->id);
  committer_.RequestPurge();
  return Sync();
}

}  // namespace trefoil
