// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/volume_impl.h"

#include <algorithm>
#include <cerrno>

#include "fs/base/log.h"
#include "fs/index/keys.h"

namespace trefoil {
namespace {

// What writers can have of the primary's disk.
uint64_t UsableBytes(const VolumeCore& core, const SpaceInfo& disk) {
  const uint64_t kept =
      core.space->reserve_bytes() + core.dirty_bytes_estimate.load();
  return disk.available_bytes > kept ? disk.available_bytes - kept : 0;
}

}  // namespace

VolumeImpl::VolumeImpl(std::unique_ptr<VolumeCore> core)
    : core_(std::move(core)),
      blocks_(*core_->index, *core_->objects, *core_->keyring, *core_->healer,
              core_->identity.block_key, core_->options.block_cache_bytes),
      committer_(*core_, references_),
      volume_key_(core_->volume_key) {}

VolumeImpl::~VolumeImpl() { committer_.Stop(); }

Status VolumeImpl::Start() {
  TREFOIL_TRY(committer_.Load());
  // Orphans of the last opening: nobody has them open now.
  TREFOIL_TRY(VisitAt(*core_->index, "O", "P", kLiveEpoch,
                      [this](std::string_view key, std::string_view) {
                        references_.AddOrphan(InodeId(NumberInKey(key)));
                        return true;
                      }));
  if (core_->options.background && !core_->options.read_only) {
    committer_.Start();
  }
  return OkStatus();
}

Status VolumeImpl::Close() {
  committer_.Stop();
  if (core_->options.read_only || !core_->failure().ok()) {
    return core_->failure();
  }
  TREFOIL_TRY(core_->journal->SyncAll());
  // Saves the next opening the replay; nothing depends on it.
  return core_->index->Flush();
}

Status VolumeImpl::Sync() {
  if (core_->options.read_only) return OkStatus();
  TREFOIL_TRY(core_->CheckWritable());
  if (Status synced = core_->journal->SyncAll(); !synced.ok()) {
    core_->Fail(synced);
    return Status::Posix(EIO);
  }
  return OkStatus();
}

Result<VolumeSpace> VolumeImpl::Space() {
  const SpaceInfo disk = core_->space->Space();
  VolumeSpace space;
  space.total_bytes = disk.total_bytes;
  space.available_bytes = UsableBytes(*core_, disk);
  space.free_bytes = space.available_bytes;
  space.inodes = 1ULL << kInodeBits;
  MutexLock sequencer(core_->sequencer_mu);
  space.inodes_free = space.inodes - core_->inodes.next;
  return space;
}

Result<CommitRef> VolumeImpl::Commit() { return committer_.Commit(); }

CommitRef VolumeImpl::head() const { return committer_.head(); }

Result<CommitRef> VolumeImpl::NextCommit(CommitSeq after) {
  const CommitSeq seq = after.Next();
  TREFOIL_ASSIGN(const auto bytes,
                 core_->index->Get(Family::kLocal, LocalCommitKey(seq)));
  const std::string what = "commit " + std::to_string(seq.value);
  if (!bytes) {
    if (after >= committer_.head().seq) {
      return Status(StatusCode::kNotFound, what + " is not made yet");
    }
    return Status(committer_.HasCheckpointFor(seq) ? StatusCode::kTrimmed
                                                   : StatusCode::kCorruption,
                  what + " is not on the primary");
  }
  TREFOIL_ASSIGN(const CommitRecord record, CommitRecord::Decode(*bytes));
  if (record.size_bytes == 0) {
    return Status(StatusCode::kTrimmed, what + " is known by name only");
  }
  CommitRef ref;
  ref.seq = seq;
  ref.generation = record.generation;
  ref.name = record.name;
  ref.size_bytes = record.size_bytes;
  ref.time_nanos = record.time_nanos;
  ref.cut = record.cut;
  return ref;
}

Result<CommitRef> VolumeImpl::Checkpoint() { return committer_.Checkpoint(); }

Result<std::optional<ObjectInfo>> VolumeImpl::NewestCheckpoint() {
  TREFOIL_ASSIGN(const auto found, FindNewestCheckpoint(*core_->objects));
  return found ? std::optional(found->info) : std::nullopt;
}

void VolumeImpl::ReleaseCommits(CommitSeq through) {
  committer_.ReleaseCommits(through);
}

Result<CommitRef> VolumeImpl::VisitHeadObjects(
    const std::function<Status(const ObjectInfo&)>& visit) {
  return committer_.VisitHeadObjects(visit);
}

bool VolumeImpl::WaitForCommit(CommitSeq after, int64_t timeout_nanos) {
  return committer_.WaitForCommit(after, timeout_nanos);
}

void VolumeImpl::WakeWaiters() { committer_.WakeWaiters(); }

Result<VolumeSecrets> VolumeImpl::OpenChanged(const VolumeObject& object,
                                              const Secret* given,
                                              std::string_view handed_over) {
  auto secrets = OpenSecrets(object, volume_key_);
  if (secrets.ok()) return secrets;
  if (!handed_over.empty()) {
    auto key =
        OpenBox(volume_key_.bytes.view(), HandOverContext(object), handed_over);
    if (key.ok()) {
      return OpenSecrets(object, {Secret::Kind::kVolumeKey, std::move(*key)});
    }
  }
  return UnlockPrimary(core_->world.env, core_->path, object, given);
}

Status VolumeImpl::ReloadKeys(const Secret* given,
                              std::string_view handed_over) {
  TREFOIL_ASSIGN(const VolumeObject object, ReadVolumeObject(*core_->objects));
  if (!object.encrypted) return OkStatus();
  MutexLock lock(keys_mu_);
  TREFOIL_ASSIGN(VolumeSecrets secrets,
                 OpenChanged(object, given, handed_over));
  volume_key_.bytes = std::move(secrets.volume_key);
  const std::vector<uint32_t> known = core_->keyring->ids();
  for (const DataKey& key : secrets.data_keys) {
    if (std::find(known.begin(), known.end(), key.id) != known.end()) continue;
    core_->keyring->Add(key.id, key.key);
    LogInfo("volume", "{}: new objects are sealed under data key {}",
            core_->path, key.id);
  }
  committer_.NoteKeys();
  return OkStatus();
}

VolumeStatus VolumeImpl::status() const {
  VolumeStatus status;
  const Status failure = core_->failure();
  status.state = failure.ok() && !core_->options.read_only ? "ok" : "read-only";
  if (!failure.ok()) status.reason = failure.ToString();
  const JournalStats journal = core_->journal->stats();
  status.journal_used_bytes = journal.used_bytes;
  status.journal_capacity_bytes = journal.capacity_bytes;
  status.dirty_bytes = core_->dirty.JournalBytes();
  {
    MutexLock sequencer(core_->sequencer_mu);
    status.pending_changes =
        core_->changes_since_cut == 0 ? 0 : core_->changed.size();
  }
  const SpaceInfo disk = core_->space->Space();
  status.disk_total_bytes = disk.total_bytes;
  status.disk_available_bytes = disk.available_bytes;
  status.disk_usable_bytes = UsableBytes(*core_, disk);
  const auto count = [&status](uint64_t bytes) {
    ++status.objects;
    status.object_bytes += bytes;
  };
  const Status packs =
      VisitAt(*core_->index, "P", "Q", kLiveEpoch,
              [&](std::string_view, std::string_view value) {
                const auto record = PackRecord::Decode(value);
                if (record.ok() && record->kind == ObjectKind::kPack) {
                  count(record->size_bytes);
                }
                return true;
              });
  auto commits = core_->index->NewCursor(Family::kLocal, "K", "L");
  for (commits->Seek("K"); commits->Valid(); commits->Next()) {
    const auto record = CommitRecord::Decode(commits->value());
    if (record.ok()) count(record->size_bytes);
  }
  // The index knows nothing of these; there is one or few.
  const Status identities =
      core_->objects->List("volume/", "", [&count](const ObjectInfo& info) {
        count(info.size_bytes);
        return true;
      });
  status.memory_bytes = core_->index->memory_bytes() + blocks_.memory_bytes();
  status.last_error = core_->last_error();
  status.heals = core_->healer->counts();
  status.lost_files = lost_files_.List(*core_->index, core_->snapshots);
  for (const Status& counted : {packs, identities}) {
    if (!counted.ok()) status.last_error = counted.ToString();
  }
  return status;
}

}  // namespace trefoil
