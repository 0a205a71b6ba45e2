// SPDX-License-Identifier: Apache-2.0
#include "fs/control/status.h"

#include <unistd.h>

#include <algorithm>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

int64_t Seconds(int64_t nanos) { return nanos / kNanosPerSecond; }

Json CopyToJson(Volume& volume, const CopyStatus& copy, int64_t now_nanos) {
  Json json = Json::object();
  json["name"] = copy.name;
  json["url"] = copy.url;
  json["state"] = copy.state;
  json["watermark"] = copy.watermark.value;
  json["watermark_time"] = Seconds(copy.watermark_time_nanos);
  json["age_seconds"] = CopyAgeSeconds(volume, copy, now_nanos);
  json["objects"] = copy.objects_held;
  json["bytes"] = copy.bytes_held;
  json["objects_waiting"] = copy.objects_waiting;
  json["bytes_waiting"] = copy.bytes_waiting;
  json["bytes_per_second"] = copy.bytes_per_second;
  json["last_error"] = copy.last_error;
  json["last_error_time"] = Seconds(copy.last_error_time_nanos);
  json["notice"] = copy.notice;
  json["notice_time"] = Seconds(copy.notice_time_nanos);
  json["complete_time"] = Seconds(copy.complete_nanos);
  json["disks"] = Json::array();
  for (const DiskFigures& disk : copy.disks) {
    json["disks"].push_back(
        {{"id", disk.id},
         {"label", disk.label},
         {"in", disk.is_in},
         {"watermark", disk.watermark.value},
         {"watermark_time", Seconds(disk.watermark_time_nanos)},
         {"complete_time", Seconds(disk.complete_nanos)}});
  }
  if (copy.space.total_bytes != 0) {
    json["space"] = {{"total_bytes", copy.space.total_bytes},
                     {"available_bytes", copy.space.available_bytes}};
  }
  if (copy.drill.time_seconds != 0) {
    json["drill"] = {{"time", copy.drill.time_seconds},
                     {"verdict", copy.drill.verdict},
                     {"conclusion", copy.drill.conclusion},
                     {"report", copy.drill.report}};
  }
  return json;
}

Json PrimaryToJson(const Volume& volume, const VolumeStatus& status) {
  const CommitRef head = volume.head();
  Json json = Json::object();
  json["state"] = status.state;
  json["head"] = head.seq.value;
  json["head_time"] = Seconds(head.time_nanos);
  json["generation"] = volume.generation().value;
  json["objects"] = status.objects;
  json["bytes"] = status.object_bytes;
  json["waiting_bytes"] = status.dirty_bytes;
  json["waiting_changes"] = status.pending_changes;
  json["memory_bytes"] = status.memory_bytes;
  json["last_error"] = status.last_error;
  return json;
}

Json HydrationToJson(const HydrationFigures& hydration) {
  Json json = Json::object();
  json["objects_missing"] = hydration.objects_missing;
  json["bytes_missing"] = hydration.bytes_missing;
  json["objects_total"] = hydration.objects_total;
  json["bytes_total"] = hydration.bytes_total;
  json["bytes_per_second"] = hydration.bytes_per_second;
  json["last_error"] = hydration.last_error;
  return json;
}

void AddHeals(const VolumeStatus& status, Json* json) {
  Json& heals = (*json)["heals"];
  heals["healed"] = status.heals.healed;
  heals["fetched"] = status.heals.fetched;
  heals["failed"] = status.heals.failed;
  (*json)["lost_files"] = Json::array();
  for (const LostFile& file : status.lost_files) {
    (*json)["lost_files"].push_back(
        {{"path", file.path}, {"reason", file.reason}});
  }
}

Json SnapshotsToJson(Volume& volume) {
  Json json = Json::object();
  const Result<std::vector<SnapshotInfo>> snapshots = volume.ListSnapshots();
  if (!snapshots.ok()) {
    json["error"] = snapshots.status().message();
    return json;
  }
  json["count"] = snapshots->size();
  const auto newest = std::max_element(
      snapshots->begin(), snapshots->end(),
      [](const auto& a, const auto& b) { return a.id < b.id; });
  if (newest != snapshots->end()) json["newest"] = SnapshotToJson(*newest);
  return json;
}

}  // namespace

Json ScrubsToJson(const std::vector<ScrubFigures>& scrubs) {
  Json json = Json::array();
  for (const ScrubFigures& scrub : scrubs) {
    Json entry = Json::object();
    entry["name"] = scrub.name;
    entry["objects"] = scrub.objects;
    entry["due"] = scrub.due;
    entry["oldest"] = Seconds(scrub.oldest_nanos);
    entry["bytes_verified"] = scrub.bytes_verified;
    entry["healed"] = scrub.healed;
    entry["bad"] = scrub.bad;
    entry["last_error"] = scrub.last_error;
    json.push_back(std::move(entry));
  }
  return json;
}

Json SnapshotToJson(const SnapshotInfo& snapshot) {
  Json json = Json::object();
  json["name"] = snapshot.name;
  json["label"] = snapshot.label;
  // The name may be seconds later, this is exact: seconds, and nanoseconds of
  // the second.
  json["time"] = Seconds(snapshot.time_nanos);
  json["nanos"] = snapshot.time_nanos % kNanosPerSecond;
  return json;
}

int64_t CopyAgeSeconds(Volume& volume, const CopyStatus& copy,
                       int64_t now_nanos) {
  const CommitRef head = volume.head();
  if (copy.watermark >= head.seq) return 0;
  // An idle week ages no copy: what counts is the first commit that it lacks,
  // where that is still known.
  const Result<CommitRef> missing = volume.NextCommit(copy.watermark);
  int64_t since =
      missing.ok() ? missing->time_nanos : copy.watermark_time_nanos;
  if (since == 0) since = head.time_nanos;
  return std::max<int64_t>(0, Seconds(now_nanos - since));
}

Json StatusToJson(Volume& volume, const std::vector<CopyStatus>& copies,
                  const StatusContext& context) {
  const VolumeStatus status = volume.status();
  const VolumeId id = volume.volume_id();
  Json json = Json::object();
  json["version"] = context.version;
  json["volume"] = volume.path();
  json["volume_id"] = ToHex({id.data(), id.size()});
  json["mounted"] = !context.mountpoint.empty();
  if (!context.mountpoint.empty()) {
    json["mountpoint"] = context.mountpoint;
    json["pid"] = getpid();
  }
  json["detached"] = context.detached;
  json["state"] = status.state;
  json["reason"] = status.reason;
  json["time"] = Seconds(context.now_nanos);
  json["primary"] = PrimaryToJson(volume, status);
  json["journal"]["used_bytes"] = status.journal_used_bytes;
  json["journal"]["capacity_bytes"] = status.journal_capacity_bytes;
  json["disk"]["total_bytes"] = status.disk_total_bytes;
  json["disk"]["available_bytes"] = status.disk_available_bytes;
  json["disk"]["usable_bytes"] = status.disk_usable_bytes;
  json["copies"] = Json::array();
  for (const CopyStatus& copy : copies) {
    json["copies"].push_back(CopyToJson(volume, copy, context.now_nanos));
  }
  AddHeals(status, &json);
  json["scrub"] = ScrubsToJson(context.scrubs);
  if (context.hydration.active) {
    json["hydration"] = HydrationToJson(context.hydration);
  }
  json["snapshots"] = SnapshotsToJson(volume);
  return json;
}

}  // namespace trefoil
