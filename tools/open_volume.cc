// SPDX-License-Identifier: Apache-2.0
#include "tools/open_volume.h"

#include <fmt/format.h>

#include <algorithm>

#include "fs/volume/hydration.h"
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
  copy.space = target.space;
  copy.last_error = target.last_error;
  copy.last_error_time_nanos = target.last_error_time_nanos;
  copy.notice = target.notice;
  copy.notice_time_nanos = target.notice_time_nanos;
  copy.complete_nanos = target.complete_nanos;
  for (const DiskStatus& disk : target.disks) {
    copy.disks.push_back({disk.disk.id, disk.disk.label, disk.is_in,
                          disk.watermark, disk.watermark_time_nanos,
                          disk.complete_nanos});
  }
  return copy;
}

HydrationFigures ToHydrationFigures(const HydrationStatus& hydration) {
  HydrationFigures figures;
  figures.active = hydration.active;
  figures.objects_missing = hydration.objects_missing;
  figures.bytes_missing = hydration.bytes_missing;
  figures.objects_total = hydration.objects_total;
  figures.bytes_total = hydration.bytes_total;
  figures.bytes_per_second = hydration.bytes_per_second;
  figures.last_error = hydration.last_error;
  return figures;
}

std::vector<ScrubFigures> ToScrubFigures(
    const std::vector<ScrubStatus>& scrubs) {
  std::vector<ScrubFigures> figures;
  for (const ScrubStatus& scrub : scrubs) {
    figures.push_back({scrub.name, scrub.objects, scrub.due, scrub.oldest_nanos,
                       scrub.bytes_verified, scrub.healed, scrub.bad,
                       scrub.last_error});
  }
  return figures;
}

Result<HydrationFigures> HydrationAtRest(Volume& volume) {
  HydrationFigures figures;
  const auto plan = FindHydration(Env::Posix(), volume.path());
  if (!plan) return figures;
  TREFOIL_ASSIGN(const auto missing, volume.MissingPacks());
  figures.active = true;
  figures.objects_missing = missing.size();
  for (const ObjectInfo& object : missing) {
    figures.bytes_missing += object.size_bytes;
  }
  figures.objects_total = std::max(plan->objects, figures.objects_missing);
  figures.bytes_total = std::max(plan->bytes, figures.bytes_missing);
  return figures;
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
