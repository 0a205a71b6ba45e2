// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/open.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "fs/base/log.h"
#include "fs/index/keys.h"
#include "fs/volume/rebuild.h"
#include "fs/volume/recovery_rules.h"
#include "fs/volume/volume_impl.h"
#include "fs/volume/volume_lock.h"

namespace trefoil {
namespace {

constexpr std::string_view kRecoveringMarker = "recovering";

// Whether any object begins with `prefix`.
Result<bool> HasAny(LocalTree& objects, std::string_view prefix) {
  bool any = false;
  TREFOIL_TRY(objects.List(prefix, "", [&any](const ObjectInfo& info) {
    any = ParseObjectKey(info.key).ok();
    return !any;
  }));
  return any;
}

// One opening, step by step. What each step finds is a row of
// recovery_rules.h, which says what is done.
class Opening {
 public:
  Opening(World world, const std::string& path, const VolumeOptions& options)
      : core_(std::make_unique<VolumeCore>(world, path, options)) {}

  Status Run(bool create_root);
  std::unique_ptr<VolumeCore> Take() { return std::move(core_); }

 private:
  using Head = std::pair<CommitSeq, CommitRecord>;

  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(core_->path, name);
  }
  Env& env() { return core_->world.env; }
  // Takes down what was found, and says what is to be said. The error of what
  // is refused; `detail` is about this volume.
  Status Note(Found found, const Status& detail = OkStatus());

  Status LockAndIdentify();
  // Opens what the volume object keeps secret.
  Status Unlock();
  Status TryIndex();
  // Opens the index if it is there.
  Result<Found> LookAtIndex();
  Status OpenIndex();
  // The newest registered commit; seq 0 when there is none.
  Result<Head> FindHead();
  Status OpenJournal(Lsn from);
  Status Replay(const JournalRecord& record);
  Status ApplyGathered();
  Status CheckRoot();
  Status CheckHead(const Head& head);
  Status CheckCommits(const Head& head);
  Status ClaimGeneration(Generation newest);
  Status LoadState(const Head& head);
  Status CreateRoot();

  std::unique_ptr<VolumeCore> core_;
  // The journal once it is replayed; for the index's threads.
  const std::shared_ptr<std::atomic<Journal*>> running_ =
      std::make_shared<std::atomic<Journal*>>(nullptr);
  Epoch newest_epoch_;
  // Index changes of replayed records, applied in batches: of a key that many
  // records change the last value counts.
  std::map<std::pair<Family, std::string>, std::optional<std::string>>
      gathered_;
  Lsn gathered_lsn_;
};

std::string WithPath(std::string_view text, const std::string& path) {
  constexpr std::string_view kPlaceholder = "VOLUME";
  std::string message(text);
  const size_t at = message.find(kPlaceholder);
  if (at != std::string::npos) message.replace(at, kPlaceholder.size(), path);
  return message;
}

Status Opening::Note(Found found, const Status& detail) {
  core_->found.push_back(found);
  const RecoveryRule& rule = RuleOf(found);
  if (rule.text.empty()) return OkStatus();
  std::string message = WithPath(rule.text, core_->path);
  if (!detail.ok()) message = detail.message() + ": " + message;
  const StatusCode code = detail.ok() ? StatusCode::kCorruption : detail.code();
  if (rule.action == RecoveryAction::kRefuse) {
    return {code, core_->path + ": " + message};
  }
  core_->NoteError({code, message});
  return OkStatus();
}

Status Opening::LockAndIdentify() {
  if (!env().Exists(core_->path)) {
    return {StatusCode::kNotFound,
            core_->path + ": no such directory; 'trefoil init' makes a volume"};
  }
  if (!env().Exists(Path("objects"))) {
    return {StatusCode::kNotFound, core_->path +
                                       ": not a Trefoil volume (it has no "
                                       "objects directory)"};
  }
  TREFOIL_ASSIGN(core_->lock, LockVolume(env(), core_->path));
  if (env().Exists(Path(kRecoveringMarker))) {
    return Note(Found::kUnfinishedRecovery,
                {StatusCode::kInvalidArgument, std::string(kRecoveringMarker)});
  }
  core_->objects = std::make_unique<LocalTree>(env(), Path("objects"));
  HealerOptions healing;
  healing.read_only = core_->options.read_only;
  healing.wait_nanos = core_->options.heal_wait_nanos;
  healing.has_room = [core = core_.get()](uint64_t bytes) {
    return core->space->HasSpare(bytes, core->dirty_bytes_estimate);
  };
  core_->healer =
      std::make_unique<Healer>(*core_->objects, core_->world.clock, healing);
  if (!core_->options.read_only) {
    TREFOIL_TRY(core_->objects->RemoveTemporaries());
  }
  return Unlock();
}

Status Opening::Unlock() {
  const auto object = ReadVolumeObject(*core_->objects);
  if (object.status().Is(StatusCode::kNotFound) ||
      object.status().Is(StatusCode::kCorruption)) {
    return Note(Found::kBadIdentity, object.status());
  }
  TREFOIL_TRY(object.status());
  TREFOIL_ASSIGN(
      VolumeSecrets secrets,
      UnlockPrimary(env(), core_->path, *object, core_->options.secret.get()));
  core_->keyring = secrets.MakeKeyring();
  core_->identity = std::move(secrets.identity);
  if (object->encrypted) {
    core_->volume_key = {Secret::Kind::kVolumeKey,
                         std::move(secrets.volume_key)};
  }
  return OkStatus();
}

Status Opening::TryIndex() {
  IndexOptions options;
  options.block_cache_bytes = core_->options.index_cache_bytes;
  options.write_buffer_bytes = core_->options.index_buffer_bytes;
  // O2. While the journal is being replayed it is on stable storage already.
  options.before_manifest = [running = running_] {
    Journal* const journal = *running;
    return journal == nullptr ? OkStatus() : journal->SyncAll();
  };
  TREFOIL_ASSIGN(core_->index, Index::Open(env(), Path("index"), options));
  return OkStatus();
}

Result<Found> Opening::LookAtIndex() {
  if (!env().Exists(Path("index"))) return Found::kNoIndex;
  Status opened = TryIndex();
  if (opened.Is(StatusCode::kCorruption)) {
    LogError("volume", "{}: {}", core_->path, opened.ToString());
    return Found::kDamagedIndex;
  }
  TREFOIL_TRY(opened);
  if (core_->index->applied() != Lsn()) return Found::kIndexOpens;
  // New, as while the volume is made, or emptied by somebody.
  TREFOIL_ASSIGN(const bool commits, HasAny(*core_->objects, "commit/"));
  TREFOIL_ASSIGN(const bool checkpoints,
                 HasAny(*core_->objects, "checkpoint/"));
  return commits || checkpoints ? Found::kEmptyIndex : Found::kIndexOpens;
}

Status Opening::OpenIndex() {
  TREFOIL_ASSIGN(const Found found, LookAtIndex());
  if (RuleOf(found).action == RecoveryAction::kGoOn) return Note(found);
  core_->index.reset();
  Status rebuilt =
      RebuildIndex(core_->world, *core_->objects, *core_->keyring, core_->path);
  if (rebuilt.Is(StatusCode::kCorruption)) {
    return Note(Found::kBrokenChain, rebuilt);
  }
  TREFOIL_TRY(rebuilt);
  TREFOIL_TRY(TryIndex());
  TREFOIL_TRY(Note(found));
  const auto journal = env().List(Path("journal"));
  if (journal.ok() && !journal->empty()) return OkStatus();
  TREFOIL_ASSIGN(const Head head, FindHead());
  return Note(Found::kNoJournal,
              {StatusCode::kCorruption,
               "commit " + std::to_string(head.first.value) + " of " +
                   FormatUtc(head.second.time_nanos)});
}

Result<Opening::Head> Opening::FindHead() {
  auto cursor = core_->index->NewCursor(Family::kLocal, "K", "L");
  cursor->SeekBack("L");
  TREFOIL_TRY(cursor->status());
  if (!cursor->Valid()) return Head();
  TREFOIL_ASSIGN(const CommitRecord record,
                 CommitRecord::Decode(cursor->value()));
  return Head(NumberInKey(cursor->key()), record);
}

// Journal size that suits the disk: a small one must not be filled by it.
JournalOptions JournalOptionsFor(const VolumeOptions& options,
                                 const SpaceInfo& disk) {
  constexpr uint64_t kSmallestSegment = 4ULL << 20;
  constexpr uint64_t kMinSegments = 16;
  JournalOptions journal;
  // What was asked for is the bound, and may be less than is called small here.
  journal.capacity_bytes = std::min(
      options.journal_capacity_bytes,
      std::max(disk.total_bytes / 16, kSmallestSegment * kMinSegments));
  journal.segment_size_bytes = std::min(
      options.journal_segment_bytes,
      std::max(journal.capacity_bytes / kMinSegments, kSmallestSegment));
  return journal;
}

Status Opening::OpenJournal(Lsn from) {
  core_->space =
      std::make_unique<SpaceGuard>(env(), core_->world.clock, core_->path);
  JournalOptions options =
      JournalOptionsFor(core_->options, core_->space->Space());
  options.needed = core_->index->applied();
  auto opened = Journal::Open(
      env(), core_->world.clock, core_->world.random, Path("journal"), options,
      from, [this](const JournalRecord& record) { return Replay(record); });
  if (opened.status().Is(StatusCode::kCorruption)) {
    return Note(Found::kBadJournal, opened.status());
  }
  // Not after any crash (O2). New records must not reuse numbers that the
  // index has seen.
  if (opened.status().Is(StatusCode::kNotFound)) {
    return Note(Found::kJournalBehindIndex,
                {StatusCode::kCorruption, opened.status().message()});
  }
  TREFOIL_TRY(opened.status());
  TREFOIL_TRY(ApplyGathered());
  core_->journal = std::move(*opened);
  core_->journal->NotifyFailure(
      [core = core_.get()](const Status& why) { core->Fail(why); });
  *running_ = core_->journal.get();
  return Note(Found::kJournalContinues);
}

// Destage and the commit that follows it name packs and move data out of the
// journal; operations do neither. What they wrote after the cut is in that
// commit already.
bool IsOfDestage(const DecodedTransaction& tx) {
  const std::string pack_keys = PackNoKey(PackNo()).substr(0, 1);
  return std::any_of(tx.effects.begin(), tx.effects.end(),
                     [](const Effect& effect) {
                       return effect.type == EffectType::kDestaged;
                     }) ||
         std::any_of(tx.batch.changes().begin(), tx.batch.changes().end(),
                     [&](const IndexChange& change) {
                       return change.family == Family::kLive &&
                              change.key.rfind(pack_keys, 0) == 0;
                     });
}

Status Opening::Replay(const JournalRecord& record) NO_THREAD_SAFETY_ANALYSIS {
  constexpr size_t kGatherChanges = 2048;
  TREFOIL_ASSIGN(DecodedTransaction tx, DecodeTransaction(record.meta));
  newest_epoch_ = std::max(newest_epoch_, record.epoch);
  for (const Effect& effect : tx.effects) {
    if (effect.type == EffectType::kWrite &&
        uint64_t{effect.data_offset} + effect.length >
            record.data_length_bytes) {
      return {StatusCode::kCorruption, "journal: record " +
                                           std::to_string(record.lsn.value) +
                                           " has less data than it says"};
    }
    ApplyEffect(effect, record.data, core_->dirty.StripeOf(effect.inode));
  }
  core_->changed.Add(tx.batch);
  if (!IsOfDestage(tx)) ++core_->changes_since_cut;
  if (record.lsn <= core_->index->applied()) return OkStatus();
  for (const IndexChange& change : tx.batch.changes()) {
    gathered_[{change.family, change.key}] = change.value;
  }
  gathered_lsn_ = record.lsn;
  return gathered_.size() < kGatherChanges ? OkStatus() : ApplyGathered();
}

Status Opening::ApplyGathered() {
  if (gathered_lsn_ == Lsn()) return OkStatus();
  IndexBatch batch;
  for (auto& [key, value] : gathered_) {
    if (value) {
      batch.Put(key.first, key.second, std::move(*value));
    } else {
      batch.Delete(key.first, key.second);
    }
  }
  gathered_.clear();
  TREFOIL_TRY(AddDerived(&batch));
  TREFOIL_TRY(core_->index->Apply(batch, gathered_lsn_));
  gathered_lsn_ = Lsn();
  return OkStatus();
}

Status Opening::CheckRoot() {
  TREFOIL_ASSIGN(const auto root,
                 core_->index->Get(Family::kLive, InodeKey(kRootInode)));
  return root ? OkStatus() : Note(Found::kNoRoot);
}

Status Opening::CheckHead(const Head& head) {
  const CommitSeq seq = head.first;
  const CommitRecord& record = head.second;
  if (seq == CommitSeq()) return OkStatus();
  const auto info =
      core_->objects->Head(CommitKey(record.generation, seq, record.name));
  if (!info.ok() && !info.status().Is(StatusCode::kNotFound)) {
    return info.status();
  }
  bool there = info.ok() && info->size_bytes == record.size_bytes;
  if (!there) {
    // A checkpoint stands for it.
    TREFOIL_TRY(
        core_->objects->List("checkpoint/", "", [&](const ObjectInfo& other) {
          const auto parsed = ParseObjectKey(other.key);
          there = parsed.ok() && parsed->number >= seq.value;
          return !there;
        }));
  }
  return Note(there ? Found::kHeadThere : Found::kHeadMissing);
}

// What a commit is that index and journal do not tell of. A checkpoint is
// written after its commit was registered for good.
std::optional<Found> Classify(const ParsedKey& key, CommitSeq head,
                              const CommitRecord& record) {
  const bool is_commit = key.kind == ObjectKind::kCommit;
  if (key.number > head.value + (is_commit ? 1 : 0)) {
    return Found::kUnknownCommits;
  }
  if (!is_commit) return std::nullopt;
  if (key.number == head.value + 1) return Found::kUnregisteredCommit;
  if (key.generation > record.generation) return Found::kUnknownCommits;
  if (key.number == head.value && key.name != record.name) {
    return Found::kRepeatedCommit;
  }
  return std::nullopt;
}

Status Opening::CheckCommits(const Head& head) {
  std::vector<std::pair<Found, std::string>> unknown;
  for (const std::string_view prefix : {"commit/", "checkpoint/"}) {
    TREFOIL_TRY(core_->objects->List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (!parsed.ok()) return true;
      const auto found = Classify(*parsed, head.first, head.second);
      if (found) unknown.emplace_back(*found, info.key);
      return true;
    }));
  }
  // All are known before the first one goes.
  for (const auto& [found, key] : unknown) {
    TREFOIL_TRY(Note(found, {StatusCode::kCorruption, key}));
  }
  if (core_->options.read_only) return OkStatus();
  for (const auto& [found, key] : unknown) {
    LogInfo("volume", "{}: removing {}, which was left unregistered",
            core_->path, key);
    TREFOIL_TRY(core_->objects->Delete(key));
  }
  return OkStatus();
}

Status Opening::ClaimGeneration(Generation newest) {
  constexpr uint64_t kMaxGenerationBytes = 64;
  const std::string path = Path("generation");
  uint64_t generation = 0;
  bool good = newest == Generation();
  if (env().Exists(path)) {
    const auto text = env().ReadFile(path, kMaxGenerationBytes);
    if (!text.ok() && !text.status().Is(StatusCode::kCorruption)) {
      return text.status();
    }
    const std::string digits = text.ok() ? *text : "";
    const auto parsed = std::from_chars(
        digits.data(), digits.data() + digits.size(), generation);
    good = parsed.ec == std::errc() && generation >= newest.value;
  }
  TREFOIL_TRY(Note(good ? Found::kGenerationGood : Found::kGenerationBad));
  core_->generation = Generation(good ? generation : newest.value).Next();
  if (core_->options.read_only) return OkStatus();
  return env().WriteFileAtomically(
      path, std::to_string(core_->generation.value) + "\n");
}

Status Opening::LoadState(const Head& head) NO_THREAD_SAFETY_ANALYSIS {
  newest_epoch_ = std::max(newest_epoch_, head.second.epoch);
  Status bad;
  TREFOIL_TRY(VisitAt(*core_->index, "S", "T", kLiveEpoch,
                      [&](std::string_view key, std::string_view value) {
                        const auto record = SnapshotRecord::Decode(value);
                        if (!record.ok()) {
                          bad = record.status();
                          return false;
                        }
                        core_->snapshots.Add(
                            {SnapshotId(NumberInKey(key)), record->name,
                             record->label, record->epoch, record->time_nanos});
                        newest_epoch_ = std::max(newest_epoch_, record->epoch);
                        return true;
                      }));
  TREFOIL_TRY(bad);
  core_->epoch = newest_epoch_.Next();
  TREFOIL_ASSIGN(const auto ceiling,
                 core_->index->Get(Family::kLive, CounterKey(kInodeCounter)));
  if (ceiling) {
    TREFOIL_ASSIGN(core_->inodes.next, DecodeNumber(*ceiling));
    core_->inodes.ceiling = core_->inodes.next;
  }
  core_->dirty_bytes_estimate = core_->dirty.JournalBytes();
  return OkStatus();
}

Status Opening::CreateRoot() {
  const int64_t now = core_->world.clock.WallNanos();
  return core_->Change({}, [&](Transaction& tx) {
    InodeRecord root;
    root.mode = S_IFDIR | 0755;
    root.nlink = 2;
    root.uid = static_cast<uint32_t>(getuid());
    root.gid = static_cast<uint32_t>(getgid());
    root.parent = kRootInode;
    root.atime_nanos = root.mtime_nanos = now;
    root.ctime_nanos = root.btime_nanos = now;
    core_->sequencer_mu.AssertHeld();
    const InodeId number = core_->NewInode(tx);
    TREFOIL_CHECK(number == kRootInode);
    return tx.PutInode(kRootInode, root);
  });
}

Status Opening::Run(bool create_root) {
  TREFOIL_TRY(LockAndIdentify());
  TREFOIL_TRY(create_root ? TryIndex() : OpenIndex());
  TREFOIL_ASSIGN(const Head before, FindHead());
  TREFOIL_TRY(OpenJournal(before.second.cut));
  if (!create_root) TREFOIL_TRY(CheckRoot());
  // The journal may tell of newer ones.
  TREFOIL_ASSIGN(const Head head, FindHead());
  TREFOIL_TRY(CheckHead(head));
  TREFOIL_TRY(CheckCommits(head));
  TREFOIL_TRY(ClaimGeneration(head.second.generation));
  TREFOIL_TRY(LoadState(head));
  return create_root ? CreateRoot() : OkStatus();
}

}  // namespace

Result<std::unique_ptr<VolumeCore>> OpenCore(World world,
                                             const std::string& path,
                                             const VolumeOptions& options,
                                             bool create_root) {
  Opening opening(world, path, options);
  TREFOIL_TRY(opening.Run(create_root));
  return opening.Take();
}

Result<std::unique_ptr<Volume>> Volume::Open(World world,
                                             const std::string& path,
                                             const VolumeOptions& options) {
  TREFOIL_ASSIGN(auto core, OpenCore(world, path, options, false));
  auto volume = std::make_unique<VolumeImpl>(std::move(core));
  TREFOIL_TRY(volume->Start());
  return std::unique_ptr<Volume>(std::move(volume));
}

}  // namespace trefoil
