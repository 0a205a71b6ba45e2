// SPDX-License-Identifier: Apache-2.0
#include "tools/target_changes.h"

#include <algorithm>

#include "fs/base/log.h"
#include "replicator/target_opener.h"
#include "replicator/target_state.h"

namespace trefoil {

Result<Json> TargetChanges::Add(TargetSettings target, bool later) {
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const std::string can, AddToConfig(owner_, later, &target));
  if (replicator_ != nullptr) TREFOIL_TRY(replicator_->AddTarget(target));
  LogInfo("replicator", "target {} was added: {}", target.name, target.url);
  Json json = Json::object();
  json["can"] = can;
  return json;
}

// What is known of it, for people.
TargetStatus TargetChanges::Known(const std::string& name) {
  std::vector<TargetStatus> all;
  if (replicator_ != nullptr) {
    all = replicator_->status();
  } else {
    VolumeConfig config;
    config.targets.push_back({name, "", {}});
    auto known = LoadTargetStatus(owner_.world.env, owner_.volume_path, config);
    if (known.ok()) all = std::move(*known);
  }
  for (TargetStatus& status : all) {
    if (status.name == name) return std::move(status);
  }
  return {};
}

Result<Json> TargetChanges::Remove(const std::string& name, bool force) {
  const MutexLock lock(mu_);
  const TargetStatus known = Known(name);
  TREFOIL_ASSIGN(const RemovedTarget result,
                 RemoveFromConfig(owner_, name, force));
  if (replicator_ != nullptr) {
    const Status removed = replicator_->RemoveTarget(name);
    // One that was written into the configuration since the mount.
    if (!removed.Is(StatusCode::kNotFound)) TREFOIL_TRY(removed);
  }
  TREFOIL_TRY(ForgetTarget(owner_.world.env, owner_.volume_path, name));
  LogInfo("replicator", "target {} was removed: {}", name, result.removed.url);
  Json json = Json::object();
  json["url"] = result.removed.url;
  json["objects"] = known.objects_held;
  json["bytes"] = known.bytes_held;
  json["disks"] = known.disks.size();
  json["left"] = Json::array();
  for (const TargetSettings& target : result.left) {
    json["left"].push_back({{"name", target.name}, {"url", target.url}});
  }
  return json;
}

Result<Json> TargetChanges::Forget(const std::string& name,
                                   const std::string& disk) {
  const MutexLock lock(mu_);
  Env& env = owner_.world.env;
  TREFOIL_ASSIGN(const VolumeConfig config,
                 LoadConfig(env, owner_.volume_path));
  const auto target = std::find_if(
      config.targets.begin(), config.targets.end(),
      [&](const TargetSettings& settings) { return settings.name == name; });
  if (target == config.targets.end()) {
    return Status(StatusCode::kNotFound, "no target is named " + name);
  }
  TREFOIL_ASSIGN(const TargetDisk gone,
                 replicator_ != nullptr
                     ? replicator_->ForgetDisk(name, disk)
                     : ForgetDisk(env, owner_.volume_path, name, disk,
                                  DiskIn(*target, env)));
  LogInfo("replicator", "disk {} {} of target {} was forgotten", gone.id,
          gone.label, name);
  Json json = Json::object();
  json["disk"] = gone.id;
  json["label"] = gone.label;
  return json;
}

void TargetChanges::Cancel() {
  if (owner_.cancel != nullptr) owner_.cancel->Cancel();
}

}  // namespace trefoil
