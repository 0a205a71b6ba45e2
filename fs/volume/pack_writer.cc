// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/pack_writer.h"

namespace trefoil {

Result<WrittenPack> WritePack(
    VolumeCore& core, size_t count,
    const std::function<std::string_view(size_t)>& block) {
  ObjectHeader header;
  header.kind = ObjectKind::kPack;
  header.volume_id = core.identity.volume_id;
  header.generation = core.generation;
  TREFOIL_ASSIGN(const std::string path, core.objects->NewTemporaryPath());
  TREFOIL_ASSIGN(auto writer,
                 ObjectWriter::Create(core.world.env, core.world.random,
                                      *core.keyring, path, header));
  WrittenPack pack;
  pack.locations.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    TREFOIL_ASSIGN(const FrameLocation location,
                   writer->Append(FrameType::kBlock, block(i)));
    pack.locations.push_back(location);
  }
  TREFOIL_ASSIGN(const FinishedObject object, writer->Finish());
  TREFOIL_TRY(core.objects->Adopt(object, PackKey(object.name)));
  pack.record.kind = ObjectKind::kPack;
  pack.record.name = object.name;
  pack.record.size_bytes = object.size_bytes;
  return pack;
}

}  // namespace trefoil
