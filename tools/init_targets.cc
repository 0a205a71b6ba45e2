// SPDX-License-Identifier: Apache-2.0
#include "tools/init_targets.h"

#include <fmt/format.h>

#include "fs/base/bytes.h"
#include "replicator/store/probe.h"
#include "replicator/store/target_url.h"
#include "tools/target_arguments.h"
#include "tools/world.h"

namespace trefoil {
namespace {

// A volume ships into an empty place, or where it has shipped before.
Status CheckNotForeign(ObjectStore& store, const VolumeId& volume_id) {
  std::string first;
  TREFOIL_TRY(store.List("volume/", "", [&](const ObjectInfo& info) {
    first = info.key;
    return false;
  }));
  if (first.empty()) return OkStatus();
  TREFOIL_ASSIGN(const std::string bytes,
                 store.Get(first, {0, kHeaderBytes}, kHeaderBytes));
  const Result<ObjectHeader> header = DecodeObjectHeader(bytes);
  if (header.ok() && header->volume_id == volume_id) return OkStatus();
  return {StatusCode::kAlreadyExists,
          fmt::format("{}: holds the copy of another volume; choose another "
                      "place, or 'trefoil recover --from' it",
                      store.Describe())};
}

}  // namespace

Result<std::string> PrepareTarget(const VolumeId& volume_id,
                                  TargetSettings* settings) {
  const World world = RealWorld();
  TREFOIL_ASSIGN(const TargetUrl url, ParseTargetUrl(settings->url));
  std::optional<DirTargetId> id;
  if (url.kind == TargetKind::kDir) {
    TREFOIL_ASSIGN(id,
                   InitDirTarget(world.env, url.path,
                                 ToHex({volume_id.data(), volume_id.size()}),
                                 world.random));
  }
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(*settings, id));
  TREFOIL_TRY(CheckNotForeign(*store, volume_id));
  TREFOIL_ASSIGN(const TargetCapabilities can,
                 ProbeTarget(*store, world.random));
  settings->options[kOptionConditionalPut] =
      can.conditional_put ? "true" : "false";
  settings->options[kOptionProbed] = FormatUtc(world.clock.WallNanos());
  return can.ToString();
}

bool MayPassLater(const Status& error) {
  switch (error.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kTimedOut:
    case StatusCode::kPermissionDenied:
    case StatusCode::kNotFound:
    case StatusCode::kNoSpace:
    case StatusCode::kIoError:
    case StatusCode::kReadOnly:
      return true;
    default:
      return false;
  }
}

}  // namespace trefoil
