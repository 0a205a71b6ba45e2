// SPDX-License-Identifier: Apache-2.0
#include "replicator/side_objects.h"

#include <fmt/format.h>

#include <limits>
#include <vector>

namespace trefoil {

namespace {

constexpr std::string_view kVolumePrefix = "volume/";
constexpr std::string_view kCheckpointPrefix = "checkpoint/";

Result<std::vector<std::string>> ListKeys(ObjectStore& store,
                                          std::string_view prefix) {
  std::vector<std::string> keys;
  TREFOIL_TRY(store.List(prefix, "", [&](const ObjectInfo& info) {
    if (ParseObjectKey(info.key).ok()) keys.push_back(info.key);
    return true;
  }));
  return keys;
}

}  // namespace

Status SideObjects::Learn(ObjectStore& target) {
  on_target_.clear();
  TREFOIL_ASSIGN(const auto local, ListKeys(local_, kVolumePrefix));
  TREFOIL_ASSIGN(const auto there, ListKeys(target, kVolumePrefix));
  on_target_.insert(there.begin(), there.end());
  bool shared = there.empty();
  for (const std::string& key : local) {
    shared = shared || on_target_.contains(key);
  }
  if (!shared) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{} holds another volume; give this one a place "
                              "of its own",
                              target.Describe()));
  }
  TREFOIL_ASSIGN(const auto checkpoints, ListKeys(target, kCheckpointPrefix));
  on_target_.insert(checkpoints.begin(), checkpoints.end());
  return OkStatus();
}

Status SideObjects::PutMissing(std::string_view prefix, CommitSeq limit,
                               const PutFunction& put) {
  TREFOIL_ASSIGN(const auto keys, ListKeys(local_, prefix));
  for (const std::string& key : keys) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
    if (parsed.number > limit.value || on_target_.contains(key)) continue;
    TREFOIL_TRY(put(key, parsed.name));
    on_target_.insert(key);
  }
  return OkStatus();
}

Status SideObjects::PutVolumeObjects(const PutFunction& put) {
  return PutMissing(kVolumePrefix,
                    CommitSeq(std::numeric_limits<uint64_t>::max()), put);
}

Status SideObjects::PutCheckpoints(CommitSeq watermark,
                                   const PutFunction& put) {
  return PutMissing(kCheckpointPrefix, watermark, put);
}

}  // namespace trefoil
