// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/reseal.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "fs/base/log.h"
#include "fs/index/keys.h"
#include "fs/object/object_reader.h"
#include "fs/volume/checkpoint.h"
#include "fs/volume/transaction.h"

namespace trefoil {
namespace {

std::string MarkerPath(const std::string& volume_path) {
  return JoinPath(volume_path, "reseal");
}

}  // namespace

Status RequestReseal(Env& env, const std::string& volume_path,
                     const VolumeSecrets& secrets) {
  if (secrets.data_keys.empty()) return OkStatus();
  return env.WriteFileAtomically(
      MarkerPath(volume_path),
      fmt::format("{}\n", secrets.data_keys.back().id));
}

Result<bool> Resealing::IsAsked() {
  constexpr uint64_t kMaxMarkerBytes = 64;
  key_id_ = 0;
  const std::string path = MarkerPath(core_.path);
  if (!core_.world.env.Exists(path)) return false;
  TREFOIL_ASSIGN(const std::string text,
                 core_.world.env.ReadFile(path, kMaxMarkerBytes));
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), key_id_);
  // Whoever asked meant the newest key of that day; this one is no older.
  if (parsed.ec != std::errc()) key_id_ = core_.keyring->current();
  // Until the key is there, nothing could be sealed under it.
  return core_.keyring->current() >= key_id_;
}

Result<std::optional<bool>> Resealing::IsOld(const std::string& key) {
  const auto header = ReadObjectHeader(*core_.objects, key);
  if (header.status().Is(StatusCode::kNotFound) ||
      header.status().Is(StatusCode::kCorruption)) {
    return std::optional<bool>();
  }
  TREFOIL_TRY(header.status());
  return std::optional(header->cipher != Cipher::kNone &&
                       header->key_id < key_id_);
}

Result<bool> Resealing::AnyOld(std::string_view prefix) {
  std::vector<std::string> keys;
  TREFOIL_TRY(core_.objects->List(prefix, "", [&](const ObjectInfo& info) {
    if (ParseObjectKey(info.key).ok()) keys.push_back(info.key);
    return true;
  }));
  for (const std::string& key : keys) {
    TREFOIL_ASSIGN(const auto old, IsOld(key));
    if (old.value_or(true)) return true;
  }
  return false;
}

Status Resealing::Finish(CommitSeq released) {
  if (done_key_id_ != key_id_) first_on_targets_ = CommitSeq();
  done_key_id_ = key_id_;
  wants_checkpoint_ = false;
  TREFOIL_ASSIGN(const bool commit, AnyOld("commit/"));
  TREFOIL_ASSIGN(const bool checkpoint, AnyOld("checkpoint/"));
  TREFOIL_ASSIGN(const auto newest, FindNewestCheckpoint(*core_.objects));
  if (!commit && !checkpoint) {
    return newest ? FinishOnTargets(newest->seq, released) : End();
  }
  // Where it is not old, it stands for the commits, which go by themselves.
  return !newest || checkpoint ? WantCheckpoint() : OkStatus();
}

Status Resealing::FinishOnTargets(CommitSeq newest, CommitSeq released) {
  if (newest > released) return OkStatus();
  if (first_on_targets_ == CommitSeq()) first_on_targets_ = newest;
  return newest > first_on_targets_ ? End() : WantCheckpoint();
}

Status Resealing::End() {
  LogInfo("volume", "{}: nothing is sealed under older data keys any more",
          core_.path);
  return core_.world.env.Remove(MarkerPath(core_.path));
}

Status Resealing::WantCheckpoint() {
  wants_checkpoint_ = true;
  VolumeCore::ChangeSpec spec;
  spec.urgent = true;
  spec.lazy = true;
  return core_.Change(spec, [](Transaction& tx) -> Status {
    const std::string key = CounterKey(kPackCounter);
    TREFOIL_ASSIGN(const auto value, tx.Get(Family::kLive, key));
    if (value) tx.Put(Family::kLive, key, *value);
    return OkStatus();
  });
}

}  // namespace trefoil
