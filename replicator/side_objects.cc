// SPDX-License-Identifier: Apache-2.0
#include "replicator/side_objects.h"

#include <fmt/format.h>

#include <vector>

namespace trefoil {

namespace {

constexpr std::string_view kVolumePrefix = "volume/";
constexpr std::string_view kCheckpointPrefix = "checkpoint/";

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

Status SideObjects::Learn(ObjectStore& target) {
  on_target_.clear();
  TREFOIL_ASSIGN(const auto local,
                 ListObjects(source_.objects(), kVolumePrefix));
  TREFOIL_ASSIGN(const auto there, ListObjects(target, kVolumePrefix));
  for (const ObjectInfo& object : there) {
    on_target_[object.key] = object.size_bytes;
  }
  bool shared = there.empty();
  for (const ObjectInfo& object : local) {
    shared = shared || on_target_.contains(object.key);
  }
  if (!shared) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{} holds another volume; give this one a place "
                              "of its own",
                              target.Describe()));
  }
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

Status SideObjects::PutVolumeObjects(const PutFunction& put) {
  TREFOIL_ASSIGN(const auto objects,
                 ListObjects(source_.objects(), kVolumePrefix));
  for (const ObjectInfo& object : objects) TREFOIL_TRY(Put(object, put));
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
