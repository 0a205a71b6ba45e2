// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/open.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "fs/base/log.h"
#include "fs/index/keys.h"
#include "fs/volume/rebuild.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

constexpr std::string_view kRecoveringMarker = "recovering";

// Keeps a bad index for whoever wants to look at it, one generation long.
Status SetIndexAside(Env& env, const std::string& volume) {
  const std::string path = JoinPath(volume, "index");
  const std::string aside = path + ".damaged";
  TREFOIL_TRY(env.RemoveTree(aside));
  return env.Rename(path, aside);
}

// One opening, step by step.
class Opening {
 public:
  Opening(World world, const std::string& path, const VolumeOptions& options)
      : core_(std::make_unique<VolumeCore>(world, path, options)) {}

  Status Run(bool create_root);
  // Run failed because the index knows more than the journal: it must go.
  [[nodiscard]] bool index_is_ahead() const { return index_is_ahead_; }
  std::unique_ptr<VolumeCore> Take() { return std::move(core_); }

 private:
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(core_->path, name);
  }
  Env& env() { return core_->world.env; }

  Status LockAndIdentify();
  Status ClaimGeneration();
  Status OpenIndex();
  Status TryIndex();
  // The newest registered commit; seq 0 when there is none.
  Result<std::pair<CommitSeq, CommitRecord>> Head();
  Status OpenJournal(Lsn from);
  Status Replay(const JournalRecord& record);
  Status ApplyGathered();
  Status RemoveUnregisteredCommits(CommitSeq head);
  Status LoadState();
  Status CreateRoot();

  std::unique_ptr<VolumeCore> core_;
  Epoch newest_epoch_;
  bool index_is_ahead_ = false;
  // Index changes of replayed records, applied in batches.
  IndexBatch gathered_;
  Lsn gathered_lsn_;
};

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
  auto lock = env().Lock(Path("lock"));
  if (!lock.ok()) {
    return lock.status().Is(StatusCode::kBusy)
               ? Status(StatusCode::kBusy,
                        core_->path + ": the volume is in use (mounted?)")
               : lock.status();
  }
  core_->lock = std::move(*lock);
  if (env().Exists(Path(kRecoveringMarker))) {
    return {StatusCode::kInvalidArgument,
            core_->path +
                ": its recovery was interrupted; run the same 'trefoil "
                "recover' command again"};
  }
  core_->objects = std::make_unique<LocalTree>(env(), Path("objects"));
  if (!core_->options.read_only) {
    TREFOIL_TRY(core_->objects->RemoveTemporaries());
  }
  TREFOIL_ASSIGN(core_->identity, ReadIdentity(*core_->objects));
  return OkStatus();
}

Status Opening::ClaimGeneration() {
  const std::string path = Path("generation");
  uint64_t generation = 0;
  if (env().Exists(path)) {
    TREFOIL_ASSIGN(const std::string text, env().ReadFile(path, 64));
    const auto parsed =
        std::from_chars(text.data(), text.data() + text.size(), generation);
    if (parsed.ec != std::errc()) {
      return {StatusCode::kCorruption, path + ": not a number"};
    }
  }
  core_->generation = Generation(generation + 1);
  if (core_->options.read_only) return OkStatus();
  return env().WriteFileAtomically(
      path, std::to_string(core_->generation.value) + "\n");
}

Status Opening::TryIndex() {
  IndexOptions options;
  options.block_cache_bytes = core_->options.index_cache_bytes;
  options.write_buffer_bytes = core_->options.index_buffer_bytes;
  // O2. While the journal is being replayed it is on stable storage already.
  options.before_manifest = [core = core_.get()] {
    return core->journal == nullptr ? OkStatus() : core->journal->SyncAll();
  };
  TREFOIL_ASSIGN(core_->index, Index::Open(env(), Path("index"), options));
  return OkStatus();
}

Status Opening::OpenIndex() {
  const std::string path = Path("index");
  if (env().Exists(path)) {
    Status opened = TryIndex();
    if (!opened.Is(StatusCode::kCorruption)) return opened;
    LogError("volume", "{}: the index is damaged ({}); rebuilding it",
             core_->path, opened.ToString());
    TREFOIL_TRY(SetIndexAside(env(), core_->path));
  }
  TREFOIL_TRY(RebuildIndex(core_->world, *core_->objects, path));
  return TryIndex();
}

Result<std::pair<CommitSeq, CommitRecord>> Opening::Head() {
  auto cursor = core_->index->NewCursor(Family::kLocal, "K", "L");
  cursor->SeekBack("L");
  TREFOIL_TRY(cursor->status());
  if (!cursor->Valid()) return std::pair(CommitSeq(), CommitRecord());
  TREFOIL_ASSIGN(const CommitRecord record,
                 CommitRecord::Decode(cursor->value()));
  return std::pair(CommitSeq(NumberInKey(cursor->key())), record);
}

// Journal size that suits the disk: a small one must not be filled by it.
JournalOptions JournalOptionsFor(const VolumeOptions& options,
                                 const SpaceInfo& disk) {
  constexpr uint64_t kSmallestSegment = 4ULL << 20;
  constexpr uint64_t kMinSegments = 16;
  JournalOptions journal;
  journal.capacity_bytes =
      std::clamp(disk.total_bytes / 16, kSmallestSegment * kMinSegments,
                 options.journal_capacity_bytes);
  journal.segment_size_bytes =
      std::clamp(journal.capacity_bytes / kMinSegments, kSmallestSegment,
                 options.journal_segment_bytes);
  return journal;
}

Status Opening::OpenJournal(Lsn from) {
  core_->space =
      std::make_unique<SpaceGuard>(env(), core_->world.clock, core_->path);
  const JournalOptions options =
      JournalOptionsFor(core_->options, core_->space->Space());
  TREFOIL_ASSIGN(auto journal,
                 Journal::Open(env(), core_->world.clock, core_->world.random,
                               Path("journal"), options, from,
                               [this](const JournalRecord& record) {
                                 return Replay(record);
                               }));
  TREFOIL_TRY(ApplyGathered());
  core_->journal = std::move(journal);
  if (core_->journal->stats().reserved < core_->index->applied()) {
    // Cannot be after any crash (O2): the journal was deleted, or its disk
    // lied. New records must not reuse numbers that the index has seen.
    index_is_ahead_ = true;
    return {StatusCode::kCorruption,
            core_->path + ": the index is ahead of the journal"};
  }
  return OkStatus();
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
    if (change.value) {
      gathered_.Put(change.family, change.key, *change.value);
    } else {
      gathered_.Delete(change.family, change.key);
    }
  }
  gathered_lsn_ = record.lsn;
  return gathered_.changes().size() < kGatherChanges ? OkStatus()
                                                     : ApplyGathered();
}

Status Opening::ApplyGathered() {
  if (gathered_lsn_ == Lsn()) return OkStatus();
  TREFOIL_TRY(AddDerived(&gathered_));
  TREFOIL_TRY(core_->index->Apply(gathered_, gathered_lsn_));
  gathered_.Clear();
  gathered_lsn_ = Lsn();
  return OkStatus();
}

Status Opening::RemoveUnregisteredCommits(CommitSeq head) {
  std::vector<std::string> unknown;
  for (const std::string_view prefix : {"commit/", "checkpoint/"}) {
    TREFOIL_TRY(core_->objects->List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (parsed.ok() && parsed->number > head.value) {
        unknown.push_back(info.key);
      }
      return true;
    }));
  }
  for (const std::string& key : unknown) {
    LogInfo("volume", "{}: removing {}, which a crash left unregistered",
            core_->path, key);
    TREFOIL_TRY(core_->objects->Delete(key));
  }
  return OkStatus();
}

Status Opening::LoadState() NO_THREAD_SAFETY_ANALYSIS {
  TREFOIL_ASSIGN(const auto head, Head());
  newest_epoch_ = std::max(newest_epoch_, head.second.epoch);
  if (!core_->options.read_only) {
    TREFOIL_TRY(RemoveUnregisteredCommits(head.first));
  }
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
  TREFOIL_TRY(ClaimGeneration());
  TREFOIL_TRY(create_root ? TryIndex() : OpenIndex());
  TREFOIL_ASSIGN(const auto head, Head());
  TREFOIL_TRY(OpenJournal(head.second.cut));
  TREFOIL_TRY(LoadState());
  if (create_root) TREFOIL_TRY(CreateRoot());
  TREFOIL_ASSIGN(const auto root,
                 core_->index->Get(Family::kLive, InodeKey(kRootInode)));
  if (!root) {
    return {StatusCode::kCorruption,
            core_->path +
                ": the volume has no root directory; recover it "
                "from another copy"};
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<VolumeCore>> OpenCore(World world,
                                             const std::string& path,
                                             const VolumeOptions& options,
                                             bool create_root) {
  {
    Opening opening(world, path, options);
    Status opened = opening.Run(create_root);
    if (opened.ok()) return opening.Take();
    if (!opening.index_is_ahead()) return opened;
    LogError("volume",
             "{}; what was in no commit is lost, the index is rebuilt from "
             "the commits",
             opened.ToString());
  }
  TREFOIL_TRY(SetIndexAside(world.env, path));
  Opening again(world, path, options);
  TREFOIL_TRY(again.Run(create_root));
  return again.Take();
}

Result<std::unique_ptr<Volume>> Volume::Open(World world,
                                             const std::string& path,
                                             const VolumeOptions& options) {
  TREFOIL_ASSIGN(auto core, OpenCore(world, path, options, false));
  auto volume = std::make_unique<VolumeImpl>(std::move(core));
  TREFOIL_TRY(volume->Start());
  return std::unique_ptr<Volume>(std::move(volume));
}

namespace {

Status FormatIn(World world, const std::string& path) {
  const std::string objects_path = JoinPath(path, "objects");
  TREFOIL_TRY(world.env.CreateDirs(objects_path));
  LocalTree objects(world.env, objects_path);
  TREFOIL_TRY(WriteIdentity(world.env, world.random, objects,
                            NewIdentity(world.clock, world.random)));
  VolumeOptions options;
  options.background = false;
  // A few records: whoever mounts it makes a journal of the size configured.
  options.journal_segment_bytes = 4ULL << 20;
  options.journal_capacity_bytes = 16 * options.journal_segment_bytes;
  TREFOIL_ASSIGN(auto core, OpenCore(world, path, options, true));
  VolumeImpl volume(std::move(core));
  TREFOIL_TRY(volume.Start());
  TREFOIL_TRY(volume.Commit().status());
  return volume.Close();
}

}  // namespace

Status Volume::Format(World world, const std::string& path) {
  if (world.env.Exists(path)) {
    TREFOIL_ASSIGN(const auto entries, world.env.List(path));
    if (!entries.empty()) {
      return {StatusCode::kAlreadyExists,
              path + ": the directory is not empty; choose another one"};
    }
  }
  return FormatIn(world, path);
}

}  // namespace trefoil
