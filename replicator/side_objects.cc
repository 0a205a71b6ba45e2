// SPDX-License-Identifier: Apache-2.0
#include "replicator/side_objects.h"

#include <fmt/format.h>

#include <vector>

#include "fs/object/object_reader.h"

namespace trefoil {

namespace {

constexpr std::string_view kVolumePrefix = "volume/";
constexpr std::string_view kCheckpointPrefix = "checkpoint/";
// Looked at on a target; more are not this volume's doing.
constexpr size_t kMaxVolumeObjects = 64;

Result<std::vector<ObjectInfo>> ListObjects(ObjectStore& store,
                                            std::string_view prefix) {
  std::vector<ObjectInfo> objects;
  TREFOIL_TRY(store.List(prefix, "", [&](const ObjectInfo& info) {
    if (ParseObjectKey(info.key).ok()) objects.push_back(info);
    return true;
  }));
  return objects;
}

}  // namespace

// Keys change, so a target may have a volume object that the primary no longer
// has.
Status SideObjects::LearnVolumeObjects(ObjectStore& target) {
  TREFOIL_ASSIGN(const auto there, ListObjects(target, kVolumePrefix));
  for (const ObjectInfo& object : there) {
    on_target_[object.key] = object.size_bytes;
    bool ours = source_.objects().Head(object.key).ok();
    if (!ours && volume_objects_.size() < kMaxVolumeObjects) {
      const auto header = ReadObjectHeader(target, object.key);
      const bool damaged = header.status().Is(StatusCode::kCorruption) ||
                           header.status().Is(StatusCode::kNewerFormat);
      if (!damaged) TREFOIL_TRY(header.status());
      ours = header.ok() && header->volume_id == source_.volume_id();
    }
    if (ours) volume_objects_.insert(object.key);
  }
  if (!there.empty() && volume_objects_.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{} holds another volume; give this one a place "
                              "of its own",
                              target.Describe()));
  }
  return OkStatus();
}

Status SideObjects::Learn(ObjectStore& target) {
  on_target_.clear();
  volume_objects_.clear();
  newest_.clear();
  volume_object_ = 0;
  TREFOIL_TRY(LearnVolumeObjects(target));
  TREFOIL_ASSIGN(const auto checkpoints,
                 ListObjects(target, kCheckpointPrefix));
  for (const ObjectInfo& object : checkpoints) {
    on_target_[object.key] = object.size_bytes;
  }
  return OkStatus();
}

Status SideObjects::Put(const ObjectInfo& object, const PutFunction& put) {
  if (IsThere(object)) return OkStatus();
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
  TREFOIL_TRY(put(object.key, parsed.name));
  on_target_[object.key] = object.size_bytes;
  return OkStatus();
}

Status SideObjects::PutVerified(const ObjectInfo& object, const Steps& steps) {
  TREFOIL_TRY(Put(object, steps.put));
  const Status there = steps.verify(object);
  if (!there.Is(StatusCode::kCorruption) && !there.Is(StatusCode::kNotFound)) {
    return there;
  }
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
  TREFOIL_TRY(steps.replace(object.key, parsed.name));
  return steps.verify(object);
}

Status SideObjects::PutVolumeObject(const Steps& steps) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    TREFOIL_ASSIGN(const auto objects,
                   ListObjects(source_.objects(), kVolumePrefix));
    if (objects.empty() || objects.back().key == newest_) return OkStatus();
    const ObjectInfo& newest = objects.back();
    const Status done = PutVerified(newest, steps);
    // A newer one took its place just now.
    if (done.Is(StatusCode::kTrimmed) && attempt < kAttempts) continue;
    TREFOIL_TRY(done);
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(newest.key));
    volume_objects_.insert(newest.key);
    TREFOIL_TRY(RemoveOlder(parsed, steps));
    newest_ = newest.key;
    volume_object_ = parsed.number;
    return OkStatus();
  }
}

Status SideObjects::RemoveOlder(const ParsedKey& newest, const Steps& steps) {
  const std::unordered_set<std::string> known = volume_objects_;
  for (const std::string& key : known) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
    if (parsed.number >= newest.number) continue;
    TREFOIL_TRY(steps.remove({key, on_target_[key]}));
    volume_objects_.erase(key);
    on_target_.erase(key);
  }
  return OkStatus();
}

Result<CommitSeq> SideObjects::PutCheckpoint(CommitSeq watermark,
                                             const PutFunction& put) {
  TREFOIL_ASSIGN(const auto newest, source_.NewestCheckpoint());
  if (!newest) return CommitSeq();
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(newest->key));
  const CommitSeq seq(parsed.number);
  if (seq > watermark) return CommitSeq();
  TREFOIL_TRY(Put(*newest, put));
  return seq;
}

}  // namespace trefoil
