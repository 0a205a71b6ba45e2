// SPDX-License-Identifier: Apache-2.0
// Making a volume: Volume::Format.
#include "fs/volume/identity.h"
#include "fs/volume/open.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

// Makes the keys and the volume object; the secret that opens it.
Result<Secret> MakeSecrets(World world, const std::string& path,
                           LocalTree& objects, const FormatOptions& format) {
  VolumeSecrets secrets =
      NewSecrets(world.clock, world.random, format.encrypted);
  VolumeObject object = NewVolumeObject(secrets);
  for (const NewSlot& slot : format.slots) {
    TREFOIL_TRY(
        AddSlot(slot, world.clock, world.random, &secrets, &object).status());
  }
  SealSecrets(secrets, world.random, &object);
  TREFOIL_TRY(WriteVolumeObject(world.env, world.random, objects, object));
  if (!format.encrypted) return Secret();
  if (format.keep_key_file) {
    TREFOIL_TRY(WriteKeyFile(world.env, KeyFilePath(path), secrets.volume_key));
  }
  return Secret{Secret::Kind::kVolumeKey, std::move(secrets.volume_key)};
}

Status FormatIn(World world, const std::string& path,
                const FormatOptions& format) {
  const std::string objects_path = JoinPath(path, "objects");
  TREFOIL_TRY(world.env.CreateDirs(objects_path));
  LocalTree objects(world.env, objects_path);
  TREFOIL_ASSIGN(Secret secret, MakeSecrets(world, path, objects, format));
  VolumeOptions options;
  options.secret = std::make_shared<const Secret>(std::move(secret));
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

Status Volume::Format(World world, const std::string& path,
                      const FormatOptions& options) {
  const bool is_new = !world.env.Exists(path);
  if (!is_new) {
    TREFOIL_ASSIGN(const auto entries, world.env.List(path));
    if (!entries.empty()) {
      return {StatusCode::kAlreadyExists,
              path + ": the directory is not empty; choose another one"};
    }
  }
  TREFOIL_TRY(FormatIn(world, path, options));
  // Nothing in it lasts longer than its name.
  return is_new ? world.env.SyncDir(DirName(path)) : OkStatus();
}

}  // namespace trefoil
