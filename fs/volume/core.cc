// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/core.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>

#include "fs/base/log.h"
#include "fs/index/keys.h"
#include "fs/volume/commit_pace.h"

namespace trefoil {

void ChangedKeys::Add(Family family, std::string_view key) {
  if (family == Family::kLocal) return;
  std::string full(1, static_cast<char>(family));
  full.append(key);
  keys_.insert(std::move(full));
}

bool ChangedKeys::Contains(Family family, std::string_view key) const {
  std::string full(1, static_cast<char>(family));
  full.append(key);
  return keys_.count(full) != 0;
}

void ChangedKeys::Add(const IndexBatch& batch) {
  for (const IndexChange& change : batch.changes()) {
    Add(change.family, change.key);
  }
}

void ChangedKeys::Merge(ChangedKeys other) { keys_.merge(other.keys_); }

std::vector<std::pair<Family, std::string>> ChangedKeys::Sorted() const {
  std::vector<std::pair<Family, std::string>> sorted;
  sorted.reserve(keys_.size());
  for (const std::string& full : keys_) {
    sorted.emplace_back(static_cast<Family>(full[0]), full.substr(1));
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

void VolumeCore::Fail(const Status& why) {
  MutexLock guard(failure_mu);
  if (!failure_.ok()) return;
  failure_ = why;
  LogError("volume", "{}: the volume is read-only from here on: {}", path,
           why.ToString());
}

Status VolumeCore::failure() {
  // The index works on threads of its own, which fail without a change.
  if (Status bad = index->failure(); !bad.ok()) Fail(bad);
  MutexLock guard(failure_mu);
  return failure_;
}

Status VolumeCore::CheckWritable() {
  if (options.read_only) return Status::Posix(EROFS);
  MutexLock guard(failure_mu);
  return failure_.ok() ? OkStatus() : Status::Posix(EROFS);
}

void VolumeCore::NoteError(const Status& error) {
  MutexLock guard(failure_mu);
  if (error.ok()) return;
  LogWarning("volume", "{}: {}", path, error.ToString());
  last_error_ = error;
}

std::string VolumeCore::last_error() {
  MutexLock guard(failure_mu);
  return last_error_.ok() ? std::string() : last_error_.ToString();
}

namespace {

// The stripes of some inodes, locked in ascending order.
class StripeLocks {
 public:
  StripeLocks(DirtyMap& dirty,
              const std::vector<InodeId>& inodes) NO_THREAD_SAFETY_ANALYSIS {
    std::vector<size_t> indices;
    indices.reserve(inodes.size());
    for (const InodeId inode : inodes) {
      indices.push_back(DirtyMap::IndexOf(inode));
    }
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    for (const size_t index : indices) {
      locked_.push_back(&dirty.StripeOf(InodeId(index)));
      locked_.back()->mu.Lock();
    }
  }
  ~StripeLocks() NO_THREAD_SAFETY_ANALYSIS {
    for (DirtyMap::Stripe* stripe : locked_) stripe->mu.Unlock();
  }
  StripeLocks(const StripeLocks&) = delete;
  StripeLocks& operator=(const StripeLocks&) = delete;

 private:
  std::vector<DirtyMap::Stripe*> locked_;
};

// Journal room for as long as it lives.
class JournalRoom {
 public:
  static Result<JournalRoom> Of(Journal& journal, uint64_t bytes, bool urgent) {
    TREFOIL_TRY(journal.Admit(bytes, urgent));
    return JournalRoom(journal, bytes);
  }
  JournalRoom(JournalRoom&& other) noexcept
      : journal_(std::exchange(other.journal_, nullptr)),
        bytes_(other.bytes_) {}
  JournalRoom& operator=(JournalRoom&&) = delete;
  ~JournalRoom() {
    if (journal_ != nullptr && bytes_ > 0) journal_->Cancel(bytes_);
  }
  // A record of `bytes` took its place.
  void Take(uint64_t bytes) { bytes_ -= bytes; }

 private:
  JournalRoom(Journal& journal, uint64_t bytes)
      : journal_(&journal), bytes_(bytes) {}
  Journal* journal_;
  uint64_t bytes_;
};
}  // namespace

Status VolumeCore::Change(const ChangeSpec& spec, const Build& build) {
  Lsn lsn;
  TREFOIL_TRY(Submit(spec, std::nullopt, build, &lsn));
  return journal->WaitWritten(lsn);
}

Status VolumeCore::ChangeInEpoch(const ChangeSpec& spec, Epoch layer_epoch,
                                 const Build& build) {
  Lsn lsn;
  TREFOIL_TRY(Submit(spec, layer_epoch, build, &lsn));
  return journal->WaitWritten(lsn);
}

Status VolumeCore::WaitForIndexRoom() {
  const Status room = index->WaitForRoom();
  if (room.ok()) return room;
  // Memory and disk are both full; the flush goes on when there is room.
  if (room.Is(StatusCode::kNoSpace)) return Status::Posix(ENOSPC);
  Fail(room);
  return Status::Posix(EIO);
}

namespace {

void WaitForCommits(VolumeCore& core) {
  size_t keys = 0;
  {
    MutexLock sequencer(core.sequencer_mu);
    keys = core.changed.size();
  }
  const int64_t pace = CommitPaceNanos(keys);
  if (pace > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(pace));
}

}  // namespace

Status VolumeCore::Submit(const ChangeSpec& spec,
                          std::optional<Epoch> layer_epoch, const Build& build,
                          Lsn* lsn) {
  TREFOIL_TRY(CheckWritable());
  if (!spec.urgent) TREFOIL_TRY(WaitForIndexRoom());
  // Where nobody makes rounds by himself there is nobody to wait for.
  const bool waits = spec.by_operation && !spec.urgent && options.background;
  if (waits) WaitForCommits(*this);
  auto room = JournalRoom::Of(*journal, spec.meta_bytes + spec.data.size(),
                              spec.urgent);
  if (!room.ok()) return Status::Posix(room.status().posix_errno());
  OperationGate::Pass pass(gate);
  StripeLocks stripes(dirty, spec.inodes);
  JournalReservation reservation;
  std::string meta;
  std::vector<Effect> effects;
  TREFOIL_TRY(
      Sequence(spec, layer_epoch, build, &reservation, &meta, &effects));
  *lsn = reservation.lsn;
  if (reservation.lsn == Lsn()) return OkStatus();
  room->Take(meta.size() + spec.data.size());
  if (Status written = journal->Write(reservation, meta, spec.data);
      !written.ok()) {
    Fail(written);
    return Status::Posix(EIO);
  }
  ApplyEffects(effects, reservation.position);
  // An index that failed meanwhile does not show this change.
  return failure().ok() ? OkStatus() : Status::Posix(EIO);
}

Status VolumeCore::Sequence(const ChangeSpec& spec,
                            std::optional<Epoch> layer_epoch,
                            const Build& build, JournalReservation* reservation,
                            std::string* meta, std::vector<Effect>* effects) {
  MutexLock sequencer(sequencer_mu);
  const RetainedEpochs retained = snapshots.Retained();
  Transaction tx(*index, retained, layer_epoch.value_or(epoch));
  inodes.pending_ceiling = 0;
  TREFOIL_TRY(build(tx));
  if (tx.empty()) return OkStatus();
  *meta = tx.Encode();
  TREFOIL_CHECK(meta->size() <= spec.meta_bytes);
  IndexBatch batch = tx.Batch();
  TREFOIL_TRY(AddDerived(&batch));
  *reservation = journal->Reserve(epoch, static_cast<uint32_t>(meta->size()),
                                  static_cast<uint32_t>(spec.data.size()));
  if (Status applied = index->Apply(batch, reservation->lsn); !applied.ok()) {
    // The record is still written, so that the LSNs stay contiguous; the next
    // opening applies it.
    Fail(applied);
  }
  if (inodes.pending_ceiling != 0) inodes.ceiling = inodes.pending_ceiling;
  if (spec.by_operation) {
    // Destage's own changes go into the commit of their round.
    changed.Add(batch);
    if (!spec.lazy) ++changes_since_cut;
  }
  *effects = tx.effects();
  return OkStatus();
}

void VolumeCore::ApplyEffects(const std::vector<Effect>& effects,
                              const JournalPosition& data)
    NO_THREAD_SAFETY_ANALYSIS {
  for (const Effect& effect : effects) {
    ApplyEffect(effect, data, dirty.StripeOf(effect.inode));
  }
}

void VolumeCore::AdvanceEpoch(Epoch ended) {
  OperationGate::Closed closed(gate);
  MutexLock sequencer(sequencer_mu);
  if (epoch == ended) epoch = epoch.Next();
}

std::optional<VolumeCore::Cut> VolumeCore::MakeCut(bool even_lazy) {
  OperationGate::Closed closed(gate);
  MutexLock sequencer(sequencer_mu);
  if (changes_since_cut == 0 && !(even_lazy && !changed.empty())) {
    return std::nullopt;
  }
  Cut cut;
  cut.lsn = journal->stats().reserved;
  cut.epoch = epoch;
  cut.time_nanos = world.clock.WallNanos();
  cut.view = index->Snapshot();
  cut.changed = std::exchange(changed, {});
  changes_since_cut = 0;
  epoch = epoch.Next();
  return cut;
}

void VolumeCore::RestoreChanged(ChangedKeys keys) {
  MutexLock sequencer(sequencer_mu);
  changed.Merge(std::move(keys));
  ++changes_since_cut;
}

InodeId VolumeCore::NewInode(Transaction& tx) {
  constexpr uint64_t kCeilingStep = 4096;
  const InodeId inode(inodes.next++);
  if (inode.value >= inodes.ceiling) {
    inodes.pending_ceiling = inode.value + kCeilingStep;
    tx.Put(Family::kLive, CounterKey(kInodeCounter),
           EncodeNumber(inodes.pending_ceiling));
  }
  return inode;
}

Result<InodeView> LoadInode(VolumeCore& core, NodeId node) {
  const auto epoch = core.snapshots.EpochOf(node.snapshot());
  if (!epoch) return Status::Posix(ESTALE);
  TREFOIL_ASSIGN(auto bytes,
                 GetAt(*core.index, InodeKey(node.inode()), *epoch));
  if (!bytes) return Status::Posix(ESTALE);
  TREFOIL_ASSIGN(InodeRecord inode, InodeRecord::Decode(*bytes));
  return InodeView{std::move(inode), *epoch};
}

Status CheckLive(NodeId node) {
  return node.snapshot() == kLiveTree ? OkStatus() : Status::Posix(EROFS);
}

Result<InodeRecord> RequireInode(Transaction& tx, InodeId inode) {
  TREFOIL_ASSIGN(auto record, tx.GetInode(inode));
  if (!record) return Status::Posix(ESTALE);
  return std::move(*record);
}

Result<InodeRecord> RequireDirectory(Transaction& tx, InodeId inode) {
  TREFOIL_ASSIGN(InodeRecord record, RequireInode(tx, inode));
  if ((record.mode & S_IFMT) != S_IFDIR) return Status::Posix(ENOTDIR);
  // A removed directory that somebody still has open takes no new names.
  if (record.nlink == 0) return Status::Posix(ENOENT);
  return record;
}

}  // namespace trefoil
