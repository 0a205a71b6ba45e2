// SPDX-License-Identifier: Apache-2.0
#include "tools/open_volume.h"

#include <fmt/format.h>

#include "tools/world.h"

namespace trefoil {

Result<OpenedVolume> OpenReadOnly(const std::string& volume_path,
                                  const SecretArguments& secret) {
  OpenedVolume opened;
  TREFOIL_ASSIGN(opened.config, LoadConfig(Env::Posix(), volume_path));
  VolumeOptions options;
  TREFOIL_ASSIGN(options.secret, SecretOfVolume(secret, volume_path));
  options.read_only = true;
  options.background = false;
  options.journal_capacity_bytes = opened.config.journal_capacity_bytes;
  opened.env = std::make_unique<OverlayEnv>(Env::Posix());
  const World real = RealWorld();
  TREFOIL_ASSIGN(opened.volume,
                 Volume::Open({*opened.env, real.clock, real.random},
                              volume_path, options));
  return opened;
}

CopyStatus ToCopyStatus(const TargetStatus& target) {
  CopyStatus copy;
  copy.name = target.name;
  copy.url = target.url;
  copy.state = target.state;
  copy.watermark = target.watermark;
  copy.watermark_time_nanos = target.watermark_time_nanos;
  copy.objects_held = target.objects_held;
  copy.bytes_held = target.bytes_held;
  copy.objects_waiting = target.objects_waiting;
  copy.bytes_waiting = target.bytes_waiting;
  copy.bytes_per_second = target.bytes_per_second;
  copy.last_error = target.last_error;
  copy.last_error_time_nanos = target.last_error_time_nanos;
  copy.notice = target.notice;
  copy.notice_time_nanos = target.notice_time_nanos;
  return copy;
}

std::vector<CopyStatus> ToCopyStatus(const std::vector<TargetStatus>& targets) {
  std::vector<CopyStatus> copies;
  copies.reserve(targets.size());
  for (const TargetStatus& target : targets) {
    copies.push_back(ToCopyStatus(target));
  }
  return copies;
}

}  // namespace trefoil
