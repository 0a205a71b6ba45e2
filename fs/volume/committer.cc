// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/committer.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "fs/base/log.h"
#include "fs/base/sabotage.h"
#include "fs/index/keys.h"
#include "fs/volume/commit_pace.h"
#include "fs/volume/delta.h"
#include "fs/volume/pack_object.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// How often the round thread looks whether a round is due.
constexpr auto kPollInterval = std::chrono::milliseconds(200);
// A commit is due early when it would carry kManyChangedKeys, or when the
// journal is this full.
constexpr uint64_t kJournalShareDue = 4;
// The index is flushed for the sake of trimming from this fill on.
constexpr uint64_t kJournalShareFlush = 8;
// Background work yields to the threads that answer applications.
constexpr int kBackgroundNice = 5;
// A round of this many keys leaves much memory behind.
constexpr size_t kLargeRoundKeys = kManyChangedKeys / 4;
// Garbage is collected this often while there may be some, and takes at most
// one part in kCollectShare of the time.
constexpr int64_t kCollectEveryNanos = 5 * kNanosPerSecond;
constexpr int64_t kCollectShare = 20;
// Between commits while the disk is almost full: files of retired packs go
// only when a commit says so.
constexpr int64_t kShortCommitInterval = kNanosPerSecond / 2;

CommitRef RefOf(CommitSeq seq, const CommitRecord& record) {
  CommitRef ref;
  ref.seq = seq;
  ref.generation = record.generation;
  ref.name = record.name;
  ref.size_bytes = record.size_bytes;
  ref.time_nanos = record.time_nanos;
  ref.cut = record.cut;
  return ref;
}

// What a commit counts for when a checkpoint is due: many small ones are slow
// to read, too.
uint64_t WeightOf(uint64_t commit_bytes) {
  return std::max<uint64_t>(commit_bytes, 16ULL << 10);
}

Result<uint64_t> LoadCounter(Index& index, std::string_view name) {
  TREFOIL_ASSIGN(const auto bytes, index.Get(Family::kLive, CounterKey(name)));
  if (!bytes) return uint64_t{1};
  return DecodeNumber(*bytes);
}

}  // namespace

Committer::Committer(VolumeCore& core, References& references)
    : core_(core),
      references_(references),
      reaper_(core, references),
      chunker_(core.identity.chunk_key.view(), ChunkerOptions{}),
      collector_(core, numbers_) {}

Committer::~Committer() { Stop(); }

Status Committer::Load() {
  MutexLock round(round_mu_);
  TREFOIL_ASSIGN(const uint64_t block,
                 LoadCounter(*core_.index, kBlockCounter));
  TREFOIL_ASSIGN(const uint64_t pack, LoadCounter(*core_.index, kPackCounter));
  numbers_ = {BlockNo(block), PackNo(pack)};
  TREFOIL_ASSIGN(const auto checkpoint, FindNewestCheckpoint(*core_.objects));
  if (checkpoint) {
    checkpoint_seq_ = checkpoint->seq.value;
    checkpoint_bytes_ = checkpoint->info.size_bytes;
  }
  auto cursor = core_.index->NewCursor(
      Family::kLocal, LocalCommitKey(CommitSeq(checkpoint_seq_ + 1)), "L");
  for (cursor->Seek("K"); cursor->Valid(); cursor->Next()) {
    TREFOIL_ASSIGN(const CommitRecord record,
                   CommitRecord::Decode(cursor->value()));
    weight_since_checkpoint_ += WeightOf(record.size_bytes);
  }
  TREFOIL_TRY(cursor->status());
  cursor = core_.index->NewCursor(Family::kLocal, "K", "L");
  cursor->SeekBack("L");
  TREFOIL_TRY(cursor->status());
  if (!cursor->Valid()) return OkStatus();
  TREFOIL_ASSIGN(const CommitRecord record,
                 CommitRecord::Decode(cursor->value()));
  MutexLock lock(head_mu_);
  head_ = RefOf(CommitSeq(NumberInKey(cursor->key())), record);
  return OkStatus();
}

void Committer::Start() {
  round_thread_ = std::thread([this] { RoundLoop(); });
  sync_thread_ = std::thread([this] { SyncLoop(); });
  checkpoint_thread_ = std::thread([this] { CheckpointLoop(); });
}

void Committer::Stop() {
  {
    MutexLock lock(loop_mu_);
    stopping_ = true;
    loop_wakeup_.SignalAll();
  }
  if (round_thread_.joinable()) round_thread_.join();
  if (sync_thread_.joinable()) sync_thread_.join();
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
  WakeWaiters();
}

CommitRef Committer::head() const {
  MutexLock lock(head_mu_);
  return head_;
}

bool Committer::WaitForCommit(CommitSeq after, int64_t timeout_nanos) {
  const int64_t end = core_.world.clock.MonotonicNanos() + timeout_nanos;
  MutexLock lock(head_mu_);
  while (head_.seq <= after && !waking_) {
    const int64_t left = end - core_.world.clock.MonotonicNanos();
    if (left <= 0) break;
    head_changed_.WaitFor(head_mu_, std::chrono::nanoseconds(left));
  }
  return head_.seq > after;
}

void Committer::WakeWaiters() {
  MutexLock lock(head_mu_);
  waking_ = true;
  head_changed_.SignalAll();
}

bool Committer::RoundIsDue(int64_t last_round_nanos) {
  const int64_t interval = core_.space->IsShort()
                               ? kShortCommitInterval
                               : core_.options.commit_interval_nanos;
  size_t keys = 0;
  {
    MutexLock sequencer(core_.sequencer_mu);
    if (core_.changes_since_cut == 0) return false;
    keys = core_.changed.size();
  }
  const JournalStats journal = core_.journal->stats();
  return keys >= kManyChangedKeys ||
         journal.used_bytes > journal.capacity_bytes / kJournalShareDue ||
         core_.world.clock.MonotonicNanos() - last_round_nanos >= interval;
}

void Committer::RoundLoop() {
  setpriority(PRIO_PROCESS, 0, kBackgroundNice);
  int64_t last_round = core_.world.clock.MonotonicNanos();
  int64_t next_housekeeping = 0;
  int64_t not_before = 0;
  for (;;) {
    {
      MutexLock lock(loop_mu_);
      if (!stopping_) loop_wakeup_.WaitFor(loop_mu_, kPollInterval);
      if (stopping_) return;
    }
    if (!core_.CheckWritable().ok()) continue;
    const int64_t now = core_.world.clock.MonotonicNanos();
    if ((now >= next_housekeeping || core_.space->IsShort()) &&
        (purge_requested_ || references_.AnyDue() || collector_.has_work())) {
      next_housekeeping = now + kNanosPerSecond;
      MutexLock round(round_mu_);
      core_.NoteError(Housekeep());
    }
    if (now < not_before || !RoundIsDue(last_round)) continue;
    // The error of a failed round is noted where it happens.
    const bool failed = !Commit().ok();
    last_round = core_.world.clock.MonotonicNanos();
    not_before = failed ? last_round + kNanosPerSecond : 0;
  }
}

void Committer::SyncLoop() {
  for (;;) {
    {
      MutexLock lock(loop_mu_);
      if (!stopping_) {
        loop_wakeup_.WaitFor(loop_mu_, std::chrono::seconds(1));
      }
      if (stopping_) return;
    }
    const JournalStats stats = core_.journal->stats();
    if (stats.durable >= stats.reserved || !core_.failure().ok()) continue;
    if (Status synced = core_.journal->SyncAll(); !synced.ok()) {
      core_.Fail(synced);
    }
  }
}

Status Committer::Housekeep() {
  if (purge_requested_.exchange(false)) {
    collector_.NoteWork();
    if (Status purged = reaper_.PurgeHistory(); !purged.ok()) {
      purge_requested_ = true;
      return purged;
    }
  }
  if (references_.AnyDue()) {
    collector_.NoteWork();
    TREFOIL_TRY(reaper_.ReapOrphans());
  }
  return Collect();
}

bool Committer::MayMakeRoom(uint64_t passes) const {
  return core_.options.background &&
         (collector_.passes() == passes || collector_.retired_bytes() > 0 ||
          references_.AnyDue() || purge_requested_);
}

// What is moved needs room first, and the reserve is not all for this.
uint64_t Committer::CollectBudget() {
  constexpr uint64_t kPassBytes = 64ULL << 20;
  return std::min(kPassBytes, core_.space->Space().available_bytes / 4);
}

Status Committer::Collect() {
  const int64_t now = core_.world.clock.MonotonicNanos();
  const bool urgent = core_.space->IsShort();
  if (!collector_.has_work() || (!urgent && now < next_collection_nanos_)) {
    return OkStatus();
  }
  const Status done = collector_.Run({.head = head().seq,
                                      .checkpoint = CommitSeq(checkpoint_seq_),
                                      .released = CommitSeq(released_),
                                      .urgent = urgent,
                                      .budget_bytes = CollectBudget()});
  const int64_t took = core_.world.clock.MonotonicNanos() - now;
  next_collection_nanos_ =
      now + std::max(kCollectEveryNanos, took * kCollectShare);
  return done;
}

Result<CommitRef> Committer::Commit() {
  MutexLock round(round_mu_);
  TREFOIL_TRY(core_.CheckWritable());
  // Garbage that can't be collected must not keep data in the journal.
  core_.NoteError(Housekeep());
  auto cut = core_.MakeCut();
  if (cut) TREFOIL_TRY(CommitCut(*cut, true));
  return head();
}

namespace {

// What many keys took, small pieces asked for by many threads, glibc keeps; the
// process would be as large as its largest round for ever.
void GiveMemoryBack() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

Status Committer::CommitCut(VolumeCore::Cut& cut, bool blocks_in_commit) {
  const bool is_large = cut.changed.size() >= kLargeRoundKeys;
  if (Status done = Round(cut, blocks_in_commit); !done.ok()) {
    core_.RestoreChanged(std::move(cut.changed));
    core_.NoteError(done.WithContext("commit"));
    return done;
  }
  // Overwritten blocks have died, and retired packs may go now.
  collector_.NoteWork();
  core_.dirty_bytes_estimate = core_.dirty.JournalBytes();
  core_.NoteError(TrimJournal());
  if (is_large) {
    cut.changed = {};
    GiveMemoryBack();
  }
  return OkStatus();
}

Result<CommitRef> Committer::VisitHeadObjects(
    const std::function<Status(const ObjectInfo&)>& visit) {
  MutexLock round(round_mu_);
  TREFOIL_TRY(VisitPacks(*core_.index, [&](PackNo, const PackRecord& record) {
    return visit({ObjectKeyOf(record), record.size_bytes});
  }));
  return head();
}

Status Committer::Round(VolumeCore::Cut& cut, bool blocks_in_commit) {
  if (Status synced = core_.journal->Sync(cut.lsn); !synced.ok()) {
    core_.Fail(synced);
    return synced;
  }
  Destager destager(core_, chunker_, numbers_);
  Status done = destager.Run(cut.epoch, blocks_in_commit);
  if (done.ok()) done = WriteCommit(cut, destager);
  // A round that failed leaves its keys to the next one.
  if (!done.ok()) cut.changed.Merge(destager.TakeChanged());
  return done;
}

namespace {

ObjectHeader HeaderAfter(const CommitRef& previous, const VolumeCore& core) {
  ObjectHeader header;
  header.kind = ObjectKind::kCommit;
  header.volume_id = core.identity.volume_id;
  header.generation = core.generation;
  header.number = previous.seq.value + 1;
  header.previous = previous.name;
  return header;
}

CommitInfo InfoOf(const VolumeCore::Cut& cut, const CommitRef& previous,
                  const VolumeCore& core) {
  CommitInfo info;
  info.seq = previous.seq.Next();
  info.generation = core.generation;
  info.epoch = cut.epoch;
  info.cut = cut.lsn;
  info.time_nanos = cut.time_nanos;
  return info;
}

CommitRecord RecordOf(const CommitInfo& info, const FinishedObject& object) {
  CommitRecord record;
  record.generation = info.generation;
  record.name = object.name;
  record.size_bytes = object.size_bytes;
  record.time_nanos = info.time_nanos;
  record.cut = info.cut;
  record.epoch = info.epoch;
  record.pack = info.pack_no;
  return record;
}

}  // namespace

Status Committer::WriteCommit(const VolumeCore::Cut& cut, Destager& destager) {
  if (!unregistered_.empty()) {
    // A round that failed may have left it; the chain must not fork there.
    TREFOIL_TRY(core_.objects->DeleteDurably(unregistered_));
    unregistered_.clear();
  }
  const CommitRef previous = head();
  const PackNo pack = numbers_.next_pack;
  numbers_.next_pack = pack.Next();

  // Where the small blocks will lie is known before they are written: the
  // frames have to be appended first, so the transaction is built in between.
  const RetainedEpochs retained = core_.snapshots.Retained();
  const Epoch layer =
      destager.has_pending() ? destager.pending_layer() : cut.epoch;
  Transaction pending(*core_.index, retained, layer);
  // Stays with the destager: a commit that fails leaves its keys to the next.
  const ChangedKeys& destaged = destager.changed();

  const ObjectHeader header = HeaderAfter(previous, core_);
  CommitInfo info = InfoOf(cut, previous, core_);
  info.pack_no = pack;
  {
    const Delta packs_only(cut, destaged, pending, *core_.index);
    TREFOIL_TRY(packs_only.FindPacks(&info.packs_added, &info.packs_retired));
  }
  TREFOIL_ASSIGN(const std::string path, core_.objects->NewTemporaryPath());
  TREFOIL_ASSIGN(auto writer,
                 CommitWriter::Create(core_.world.env, core_.world.random,
                                      *core_.keyring, path, header, info));
  std::vector<FrameLocation> locations;
  for (const PendingBlock& block : destager.pending_blocks()) {
    TREFOIL_ASSIGN(const FrameLocation location,
                   writer->AppendBlock(block.raw));
    locations.push_back(location);
  }
  if (destager.has_pending()) {
    TREFOIL_TRY(destager.BuildPending(pending, pack, locations));
  }
  TREFOIL_TRY(Delta(cut, destaged, pending, *core_.index).WriteTo(*writer));
  TREFOIL_ASSIGN(const FinishedObject object, writer->Finish());
  unregistered_ = CommitKey(info.generation, info.seq, object.name);
  TREFOIL_TRY(core_.objects->Adopt(object, unregistered_));

  return Register(info, object, pending);
}

Status Committer::Register(const CommitInfo& info, const FinishedObject& object,
                           const Transaction& pending) {
  const CommitRecord record = RecordOf(info, object);
  VolumeCore::ChangeSpec spec;
  for (const Effect& effect : pending.effects()) {
    spec.inodes.push_back(effect.inode);
  }
  spec.urgent = true;
  spec.by_operation = false;
  spec.meta_bytes = kMaxTransactionBytes;
  TREFOIL_TRY(core_.Change(spec, [&](Transaction& tx) {
    tx.Absorb(pending);
    tx.Put(Family::kLocal, LocalCommitKey(info.seq), record.Encode());
    tx.Put(Family::kLive, CounterKey(kPackCounter),
           EncodeNumber(info.pack_no.Next().value));
    const PackRecord own{ObjectKind::kCommit, object.name, object.size_bytes,
                         info.generation, info.seq.value};
    tx.Put(Family::kLive, PackNoKey(info.pack_no), own.Encode());
    return OkStatus();
  }));
  // A crash must not forget a commit that somebody acts on: that is shipped, or
  // lets objects go that only the one before needs (O5).
  if (Status synced = core_.journal->SyncAll(); !synced.ok()) {
    core_.Fail(synced);
    return synced;
  }
  unregistered_.clear();
  trimmable_.emplace_back(core_.journal->stats().reserved, info.cut);
  weight_since_checkpoint_ += WeightOf(record.size_bytes);
  MutexLock lock(head_mu_);
  head_ = RefOf(info.seq, record);
  head_changed_.SignalAll();
  return OkStatus();
}

Status Committer::TrimJournal() {
  const JournalStats stats = core_.journal->stats();
  if (!IsSabotaged(Sabotage::kTrimEarly) &&
      stats.used_bytes > stats.capacity_bytes / kJournalShareFlush &&
      !trimmable_.empty() && core_.index->flushed() < trimmable_.back().first) {
    TREFOIL_TRY(core_.index->Flush());
  }
  Lsn flushed = core_.index->flushed();
  if (IsSabotaged(Sabotage::kTrimEarly)) flushed = stats.reserved;
  Lsn trim;
  while (!trimmable_.empty() && trimmable_.front().first <= flushed) {
    trim = trimmable_.front().second;
    trimmable_.pop_front();
  }
  return trim == Lsn() ? OkStatus() : core_.journal->Trim(trim);
}

Result<std::vector<BlockNo>> Committer::Salvage(
    PackNo number, const PackRecord& record,
    const std::vector<std::string>& damaged) {
  MutexLock round(round_mu_);
  TREFOIL_TRY(core_.CheckWritable());
  return collector_.Salvage(number, record, damaged);
}

}  // namespace trefoil
