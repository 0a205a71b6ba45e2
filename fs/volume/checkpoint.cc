// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/checkpoint.h"

#include "fs/base/log.h"
#include "fs/index/keys.h"

namespace trefoil {
namespace {

constexpr std::string_view kPrefix = "checkpoint/";

// Walks the state of one family in key order.
class StateWriter {
 public:
  StateWriter(const CheckpointBase& base, Family family, CommitWriter& writer)
      : base_(base), family_(family), writer_(writer) {
    while (next_ < base_.changed.size() &&
           base_.changed[next_].first < family_) {
      ++next_;
    }
  }

  Status Run() {
    auto cursor = base_.view->NewCursor(family_, "", "");
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      TREFOIL_TRY(AddChangedBelow(cursor->key()));
      if (HasChanged() && base_.changed[next_].second == cursor->key()) {
        TREFOIL_TRY(AddChanged());
      } else {
        TREFOIL_TRY(Add(cursor->key(), cursor->value()));
      }
    }
    TREFOIL_TRY(cursor->status());
    while (HasChanged()) TREFOIL_TRY(AddChanged());
    return OkStatus();
  }

 private:
  [[nodiscard]] bool HasChanged() const {
    return next_ < base_.changed.size() &&
           base_.changed[next_].first == family_;
  }
  Status AddChangedBelow(std::string_view key) {
    while (HasChanged() && base_.changed[next_].second < key) {
      TREFOIL_TRY(AddChanged());
    }
    return OkStatus();
  }
  Status AddChanged() {
    const std::string& key = base_.changed[next_++].second;
    TREFOIL_ASSIGN(const auto value, base_.cut_view->Get(family_, key));
    return value ? Add(key, *value) : OkStatus();
  }
  Status Add(std::string_view key, std::string_view value) {
    return writer_.AddDelta(static_cast<uint8_t>(family_), key, value);
  }

  const CheckpointBase& base_;
  const Family family_;
  CommitWriter& writer_;
  size_t next_ = 0;
};

ObjectHeader HeaderOf(const CheckpointBase& base, const VolumeCore& core) {
  ObjectHeader header;
  header.kind = ObjectKind::kCheckpoint;
  header.volume_id = core.identity.volume_id;
  header.generation = base.record.generation;
  header.number = base.commit.seq.value;
  header.previous = base.record.name;
  return header;
}

CommitInfo InfoOf(const CheckpointBase& base) {
  CommitInfo info;
  info.seq = base.commit.seq;
  info.generation = base.record.generation;
  info.epoch = base.record.epoch;
  info.cut = base.record.cut;
  info.time_nanos = base.record.time_nanos;
  info.pack_no = base.record.pack;
  return info;
}

Status RemoveOlder(LocalTree& objects, const std::string& newest) {
  std::vector<std::string> older;
  TREFOIL_TRY(objects.List(kPrefix, "", [&](const ObjectInfo& info) {
    if (info.key < newest) older.push_back(info.key);
    return true;
  }));
  for (const std::string& key : older) TREFOIL_TRY(objects.Delete(key));
  return OkStatus();
}

}  // namespace

Status WriteCheckpoint(VolumeCore& core, const CheckpointBase& base) {
  if (Status synced = core.journal->SyncAll(); !synced.ok()) {
    core.Fail(synced);
    return synced;
  }
  TREFOIL_ASSIGN(const std::string path, core.objects->NewTemporaryPath());
  TREFOIL_ASSIGN(
      auto writer,
      CommitWriter::Create(core.world.env, core.world.random, *core.keyring,
                           path, HeaderOf(base, core), InfoOf(base)));
  for (const Family family : {Family::kLive, Family::kHistory}) {
    TREFOIL_TRY(StateWriter(base, family, *writer).Run());
  }
  TREFOIL_ASSIGN(const FinishedObject object, writer->Finish());
  const std::string key =
      CheckpointKey(base.record.generation, base.commit.seq, object.name);
  TREFOIL_TRY(core.objects->Adopt(object, key));
  LogInfo("volume", "{}: checkpoint of commit {}, {} bytes", core.path,
          base.commit.seq.value, object.size_bytes);
  return RemoveOlder(*core.objects, key);
}

Result<std::optional<FoundCheckpoint>> FindNewestCheckpoint(
    ObjectStore& store) {
  std::optional<FoundCheckpoint> newest;
  // Keys sort by generation, then by sequence number.
  TREFOIL_TRY(store.List(kPrefix, "", [&newest](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) newest = {info, CommitSeq(parsed->number)};
    return true;
  }));
  return newest;
}

}  // namespace trefoil
