// SPDX-License-Identifier: Apache-2.0
#include "replicator/target_opener.h"

#include <fmt/format.h>

#include <utility>

#include "fs/base/bytes.h"
#include "replicator/store/open_target.h"

namespace trefoil {

Result<std::unique_ptr<ObjectStore>> OpenVolumeTarget(
    const TargetSettings& target, const std::string& credentials_file,
    const VolumeId& volume_id, World world,
    std::shared_ptr<CancelToken> cancel) {
  TargetConfig config;
  config.name = target.name;
  config.url = target.url;
  TREFOIL_ASSIGN(config.options, ParseTargetOptions(target.options));
  if (!credentials_file.empty()) {
    config.options.credentials_file = credentials_file;
  }
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(target.url));
  if (url.kind == TargetKind::kDir) {
    TREFOIL_ASSIGN(const DirTargetId id, ReadDirTargetId(world.env, url.path));
    if (id.volume_id != ToHex({volume_id.data(), volume_id.size()})) {
      return Status(StatusCode::kUnavailable,
                    fmt::format("not there: the disk at {} is a target of "
                                "another volume ({})",
                                url.path, id.volume_id));
    }
    config.expected_id = id;
  }
  return OpenTarget(config, world.env, world.clock, world.random,
                    std::move(cancel));
}

Status TidyTarget(ObjectStore& store) {
  auto* dir = dynamic_cast<DirStore*>(&store);
  return dir == nullptr ? OkStatus() : dir->RemoveTemporaries();
}

bool StoreDecides(const TargetSettings& target) {
  if (IsRemovable(target)) return true;
  const auto option = target.options.find("conditional_put");
  return option != target.options.end() &&
         (option->second == "true" || option->second == "yes");
}

bool IsRemovable(const TargetSettings& target) {
  const auto url = ParseTargetUrl(target.url);
  return url.ok() && url->kind == TargetKind::kDir;
}

}  // namespace trefoil
