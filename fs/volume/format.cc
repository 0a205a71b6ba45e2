// SPDX-License-Identifier: Apache-2.0
// Making a volume: Volume::Format.
#include "fs/volume/identity.h"
#include "fs/volume/open.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

Status FormatIn(World world, const std::string& path) {
  const std::string objects_path = JoinPath(path, "objects");
  TREFOIL_TRY(world.env.CreateDirs(objects_path));
  LocalTree objects(world.env, objects_path);
  TREFOIL_TRY(WriteIdentity(world.env, world.random, objects,
                            NewIdentity(world.clock, world.random)));
  VolumeOptions options;
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

Status Volume::Format(World world, const std::string& path) {
  if (world.env.Exists(path)) {
    TREFOIL_ASSIGN(const auto entries, world.env.List(path));
    if (!entries.empty()) {
      return {StatusCode::kAlreadyExists,
              path + ": the directory is not empty; choose another one"};
    }
  }
  return FormatIn(world, path);
}

}  // namespace trefoil
