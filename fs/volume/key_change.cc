// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/key_change.h"

#include <fmt/format.h>

#include <vector>

#include "fs/volume/reseal.h"

namespace trefoil {

KeyChange::KeyChange(World world, const std::string& volume_path)
    : world_(world),
      volume_path_(volume_path),
      objects_(world.env, JoinPath(volume_path, "objects")) {}

Result<std::unique_ptr<KeyChange>> KeyChange::Begin(
    World world, const std::string& volume_path, const Secret* given) {
  std::unique_ptr<KeyChange> change(new KeyChange(world, volume_path));
  auto lock = world.env.Lock(JoinPath(volume_path, "key.lock"));
  if (!lock.ok()) {
    return lock.status().WithContext("another change of keys is being made");
  }
  change->lock_ = std::move(*lock);
  TREFOIL_ASSIGN(change->object, ReadVolumeObject(change->objects_));
  if (!change->object.encrypted) {
    return Status(StatusCode::kInvalidArgument,
                  volume_path + ": the volume is not encrypted");
  }
  TREFOIL_ASSIGN(change->secrets,
                 UnlockPrimary(world.env, volume_path, change->object, given));
  for (const KeySlot& slot : change->object.slots) {
    if (change->secrets.slot_secrets.contains(slot.id)) continue;
    return Status(StatusCode::kCorruption,
                  fmt::format("{}: nothing is known of its way in {}; bring "
                              "back the right volume object from a copy",
                              volume_path, slot.id));
  }
  change->opened_with_ = change->secrets.volume_key;
  change->keep_key_file = world.env.Exists(KeyFilePath(volume_path)) ||
                          world.env.Exists(NextKeyFilePath(volume_path));
  return change;
}

std::string KeyChange::HandOver() const {
  return SealBox(opened_with_.view(), HandOverContext(object),
                 secrets.volume_key.view(), world_.random);
}

Status KeyChange::RemoveOlderObjects() {
  std::vector<std::string> older;
  TREFOIL_TRY(objects_.List("volume/", "", [&](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok() && parsed->number < object.number) {
      older.push_back(info.key);
    }
    return true;
  }));
  for (const std::string& key : older) {
    TREFOIL_TRY(objects_.DeleteDurably(key));
  }
  return OkStatus();
}

Status KeyChange::Finish() {
  if (object.slots.empty() && !keep_key_file) {
    return {StatusCode::kInvalidArgument,
            volume_path_ +
                ": that is the last way in; add a passphrase or a recovery "
                "key first"};
  }
  Env& env = world_.env;
  ++object.number;
  SealSecrets(secrets, world_.random, &object);
  const std::string key_file = KeyFilePath(volume_path_);
  const std::string next_key_file = NextKeyFilePath(volume_path_);
  if (keep_key_file) {
    TREFOIL_TRY(WriteKeyFile(env, next_key_file, secrets.volume_key));
  }
  may_count_ = true;
  TREFOIL_TRY(WriteVolumeObject(env, world_.random, objects_, object));
  if (reseal) TREFOIL_TRY(RequestReseal(env, volume_path_, secrets));
  if (keep_key_file) {
    TREFOIL_TRY(env.Rename(next_key_file, key_file));
  } else {
    for (const std::string& path : {key_file, next_key_file}) {
      if (env.Exists(path)) TREFOIL_TRY(env.Remove(path));
    }
  }
  TREFOIL_TRY(env.SyncDir(volume_path_));
  return RemoveOlderObjects();
}

}  // namespace trefoil
