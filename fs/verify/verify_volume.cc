// SPDX-License-Identifier: Apache-2.0
// The volume is opened as after a crash, over an Env that keeps every change
// in memory: its journal is replayed, and its disk stays as it is. Then two
// things are compared: the index with what commits and journal give (O6), and
// both with what must hold for every tree.
#include <algorithm>

#include "fs/base/overlay_env.h"
#include "fs/verify/dirty_check.h"
#include "fs/verify/index_compare.h"
#include "fs/verify/metadata_check.h"
#include "fs/verify/record_check.h"
#include "fs/verify/store_check.h"
#include "fs/verify/verify.h"
#include "fs/volume/config.h"
#include "fs/volume/core.h"
#include "fs/volume/hydration.h"
#include "fs/volume/open.h"
#include "fs/volume/volume_lock.h"

namespace trefoil {
namespace {

// Segments of the journal that replaying for comparison starts; in memory, and
// never written to.
constexpr uint64_t kReplaySegmentBytes = 4ULL << 20;
constexpr uint64_t kReplayCapacityBytes = 16 * kReplaySegmentBytes;

class VolumeCheck {
 public:
  VolumeCheck(World world, const std::string& path,
              const VerifyOptions& options)
      : world_(world),
        path_(path),
        options_(options),
        findings_(report_),
        overlay_(world.env) {}

  Result<VerifyReport> Run();

 private:
  [[nodiscard]] World Overlaid(OverlayEnv& env) const {
    return {env, world_.clock, world_.random};
  }
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }
  [[nodiscard]] const Elsewhere* GetElsewhere() const {
    return elsewhere_ ? &*elsewhere_ : nullptr;
  }
  Status CheckConfig();
  Status LookAtIndex();
  Status OpenVolume();
  Status CheckObjectsOnly();
  Status CheckOpened();
  Status CheckCommitRecords(StoreCheck& store);
  void CheckCommitRecord(StoreCheck& store, CommitSeq seq,
                         const CommitRecord& record, bool may_go);
  Status CheckIndex(StoreCheck& store);
  // Whether the index is what the commits alone give.
  Result<bool> IsAtHead(StoreCheck& store);
  Status ReplayInto(StoreCheck& store);
  Status CompareWith(StoreCheck& store);
  Status CheckBlockIds();
  Status CheckMembers();

  const World world_;
  const std::string path_;
  const VerifyOptions& options_;
  VerifyReport report_;
  Findings findings_;
  OverlayEnv overlay_;
  VolumeOptions volume_options_;
  Epoch newest_;                        // no record is of a younger epoch
  std::optional<Elsewhere> elsewhere_;  // of a volume that is not whole
  std::unique_ptr<VolumeCore> core_;
};

Result<VerifyReport> VolumeCheck::Run() {
  TREFOIL_TRY(CheckConfig());
  TREFOIL_TRY(LookAtIndex());
  TREFOIL_TRY(OpenVolume());
  if (FindHydration(world_.env, path_)) {
    elsewhere_ = Elsewhere::List(options_.copies, findings_);
  }
  TREFOIL_TRY(core_ == nullptr ? CheckObjectsOnly() : CheckOpened());
  findings_.Finish();
  return report_;
}

Status VolumeCheck::CheckConfig() {
  const auto config = LoadConfig(world_.env, path_);
  if (config.ok()) {
    volume_options_.journal_capacity_bytes = config->journal_capacity_bytes;
  } else if (!config.status().Is(StatusCode::kNotFound)) {
    findings_.Error("bad-config", Path("config.toml"),
                    config.status().message());
  }
  return OkStatus();
}

Status VolumeCheck::LookAtIndex() {
  if (!world_.env.Exists(Path("lock"))) return OkStatus();
  TREFOIL_ASSIGN(const auto lock, LockVolume(world_.env, path_));
  const std::string index_path = Path("index");
  if (!world_.env.Exists(index_path)) {
    findings_.Info("no-index", index_path,
                   "there is no index; the next opening rebuilds it");
    return OkStatus();
  }
  OverlayEnv overlay(world_.env);
  const auto index = Index::Open(overlay, index_path, ScratchOptions());
  if (index.ok()) return OkStatus();
  return findings_.ErrorOf("damaged-index", index_path, index.status());
}

Status VolumeCheck::OpenVolume() {
  volume_options_.read_only = true;
  volume_options_.background = false;
  volume_options_.secret = options_.secret;
  volume_options_.index_cache_bytes = ScratchOptions().block_cache_bytes;
  volume_options_.index_buffer_bytes = ScratchOptions().write_buffer_bytes;
  auto opened = OpenCore(Overlaid(overlay_), path_, volume_options_, false);
  if (opened.ok()) {
    core_ = std::move(*opened);
    return OkStatus();
  }
  // Without its volume object it still has objects to look at.
  const bool damaged = opened.status().Is(StatusCode::kCorruption) ||
                       (opened.status().Is(StatusCode::kNotFound) &&
                        world_.env.Exists(Path("objects")));
  if (!damaged) return opened.status();
  findings_.Error("damaged-volume", path_, opened.status().message());
  return OkStatus();
}

Status VolumeCheck::CheckObjectsOnly() {
  LocalTree objects(overlay_, Path("objects"));
  VerifyOptions options = options_;
  const auto key = ReadKeyFile(overlay_, KeyFilePath(path_));
  if (options.secret == nullptr && key.ok()) {
    options.secret = std::make_shared<const Secret>(*key);
  }
  StoreCheck store(world_, objects, options, findings_);
  store.SetElsewhere(GetElsewhere());
  TREFOIL_TRY(store.Run(std::nullopt));
  store.ReportUnnamed();
  return OkStatus();
}

Status VolumeCheck::CheckOpened() {
  auto cursor = core_->index->NewCursor(Family::kLocal, "K", "L");
  cursor->SeekBack("L");
  const CommitSeq head(cursor->Valid() && cursor->key().size() == 9
                           ? NumberInKey(cursor->key())
                           : 0);
  cursor.reset();
  // What opened the volume opens its objects.
  VerifyOptions options = options_;
  options.secret = std::make_shared<const Secret>(core_->volume_key);
  StoreCheck store(world_, *core_->objects, options, findings_);
  store.SetElsewhere(GetElsewhere());
  TREFOIL_TRY(store.Run(head));
  for (const Status& checked :
       {CheckCommitRecords(store), CheckIndex(store),
        options_.read_data ? CheckBlockIds() : OkStatus(),
        options_.read_data ? CheckMembers() : OkStatus()}) {
    if (checked.ok()) continue;
    TREFOIL_TRY(findings_.ErrorOf("damaged-index", Path("index"), checked));
  }
  store.ReportUnnamed();
  return OkStatus();
}

// Commits that a checkpoint stands for go one by one: the object first, then
// its record.
Status VolumeCheck::CheckCommitRecords(StoreCheck& store) {
  const uint64_t base = store.checkpoint().value;
  uint64_t expected = base + 1;
  auto cursor = core_->index->NewCursor(Family::kLocal, "K", "L");
  for (cursor->Seek("K"); cursor->Valid(); cursor->Next()) {
    const auto record = CommitRecord::Decode(cursor->value());
    if (!record.ok() || cursor->key().size() != 9) {
      findings_.Error("index-differs", "commit record " + ToHex(cursor->key()),
                      "the record is malformed");
      continue;
    }
    const CommitSeq seq(NumberInKey(cursor->key()));
    if (seq.value > expected) {
      findings_.Error("index-differs", "commit " + std::to_string(expected),
                      "the index does not know it");
    }
    expected = std::max(expected, seq.value + 1);
    CheckCommitRecord(store, seq, *record, seq.value <= base);
  }
  return cursor->status();
}

void VolumeCheck::CheckCommitRecord(StoreCheck& store, CommitSeq seq,
                                    const CommitRecord& record, bool may_go) {
  const std::string key = CommitKey(record.generation, seq, record.name);
  ListedObject* const listed = store.table().Find(
      {ObjectKind::kCommit, record.generation, seq.value, record.name});
  if (listed == nullptr) {
    if (may_go) return;
    findings_.BadObject(key);
    findings_.Error("missing-commit", key, "the object is not there");
    return;
  }
  listed->named = true;
  if (listed->size_bytes != record.size_bytes) {
    findings_.BadObject(key);
    findings_.Error("wrong-size", key,
                    "has " + std::to_string(listed->size_bytes) +
                        " bytes instead of " +
                        std::to_string(record.size_bytes));
  }
}

Status VolumeCheck::CheckIndex(StoreCheck& store) {
  Index& index = *core_->index;
  const auto dirty = core_->dirty.DirtyInodes(kLiveEpoch);
  if (!store.state().complete) {
    const MutexLock sequencer(core_->sequencer_mu);
    newest_ = core_->epoch;
  } else {
    newest_ = store.state().epoch;
    TREFOIL_ASSIGN(const bool at_head, IsAtHead(store));
    if (at_head && dirty.empty()) return OkStatus();
    TREFOIL_TRY(ReplayInto(store));
    TREFOIL_TRY(CompareWith(store));
  }
  MetadataState state{index,         store.scratch(), *core_->objects,
                      store.table(), newest_,         {},
                      GetElsewhere()};
  state.tree.name_key = core_->identity.name_key;
  state.tree.is_dirty = [&dirty](InodeId inode) {
    return std::binary_search(dirty.begin(), dirty.end(), inode);
  };
  TREFOIL_TRY(CheckMetadata(state, findings_));
  TREFOIL_ASSIGN(const Views views, Views::Load(index));
  std::unique_ptr<NameTable> names;  // made when there is something to name
  const auto path = [&](InodeId inode) {
    if (names == nullptr) {
      auto built = NameTable::Build(store.scratch(), index, views);
      if (!built.ok()) return "inode " + std::to_string(inode.value);
      names = std::move(*built);
    }
    return names->AnyPath(inode);
  };
  return CheckDirtyData(*core_, options_.read_data, path, findings_);
}

Result<bool> VolumeCheck::IsAtHead(StoreCheck& store) {
  bool same = true;
  TREFOIL_TRY(CompareIndexes(*core_->index, store.scratch(),
                             [&](Family, std::string_view, Difference) {
                               same = false;
                               return false;
                             }));
  return same;
}

Status VolumeCheck::ReplayInto(StoreCheck& store) {
  OverlayEnv overlay(world_.env);
  BatchWriter writer(store.scratch());
  const auto replay = [&](const JournalRecord& record) -> Status {
    newest_ = std::max(newest_, record.epoch);
    TREFOIL_ASSIGN(DecodedTransaction tx, DecodeTransaction(record.meta));
    for (const IndexChange& change : tx.batch.changes()) {
      if (change.family == Family::kLocal) continue;
      TREFOIL_TRY(change.value
                      ? writer.Put(change.family, change.key, *change.value)
                      : writer.Delete(change.family, change.key));
    }
    return OkStatus();
  };
  TREFOIL_TRY(Journal::Open(overlay, world_.clock, world_.random,
                            Path("journal"),
                            {kReplaySegmentBytes, kReplayCapacityBytes},
                            store.state().cut, replay)
                  .status());
  return writer.Flush();
}

Status VolumeCheck::CompareWith(StoreCheck& store) {
  return CompareIndexes(
      *core_->index, store.scratch(),
      [&](Family family, std::string_view key, Difference difference) {
        const char* text =
            "the index has another value than commits and "
            "journal give";
        if (difference == Difference::kMissing) {
          text = "commits and journal have it, the index does not";
        } else if (difference == Difference::kExtra) {
          text = "the index has it, commits and journal do not";
        }
        findings_.Error("index-differs", DescribeKey(family, key), text);
        return true;
      });
}

// A wrong block number here would give a file other data when equal blocks are
// looked for.
Status VolumeCheck::CheckBlockIds() {
  auto cursor = core_->index->NewCursor(Family::kLocal, "H", "I");
  for (cursor->Seek("H"); cursor->Valid(); cursor->Next()) {
    const auto number = DecodeNumber(cursor->value());
    if (!number.ok()) {
      findings_.Error("index-differs", "block id " + ToHex(cursor->key()),
                      "the record is malformed");
      continue;
    }
    TREFOIL_ASSIGN(
        const auto bytes,
        core_->index->Get(Family::kLive, BlockKey(BlockNo(*number))));
    if (!bytes) continue;  // it may outlive its block
    const auto block = BlockRecord::Decode(*bytes);
    if (!block.ok() || BlockIdKey(block->id) == cursor->key()) continue;
    findings_.Error("bad-block-id", "block " + std::to_string(*number),
                    "the index finds it under an id that is not its own");
  }
  return cursor->status();
}

// A block that its pack does not list is lost when the pack is emptied.
Status VolumeCheck::CheckMembers() {
  auto cursor = core_->index->NewCursor(Family::kLive, "B", "C");
  for (cursor->Seek("B"); cursor->Valid(); cursor->Next()) {
    const auto block = BlockRecord::Decode(cursor->value());
    if (!block.ok() || cursor->key().size() != 9) continue;
    const BlockNo number(NumberInKey(cursor->key()));
    TREFOIL_ASSIGN(
        const auto member,
        core_->index->Get(Family::kLocal, MemberKey(block->pack, number)));
    if (member) continue;
    findings_.Error(
        "missing-member", "block " + std::to_string(number.value),
        "is not listed as one of pack " + std::to_string(block->pack.value));
  }
  return cursor->status();
}

}  // namespace

Result<VerifyReport> VerifyVolume(World world, const std::string& path,
                                  const VerifyOptions& options) {
  return VolumeCheck(world, path, options).Run();
}

}  // namespace trefoil
