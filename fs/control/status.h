// SPDX-License-Identifier: Apache-2.0
// The status of a volume and its copies as JSON: the one shape for the control
// socket, `trefoil status --json` and unmounted volumes.
//
//   {"version", "volume", "volume_id", "mounted", "mountpoint"?, "pid"?,
//    "detached", "state", "reason", "time",
//    "primary": {"state", "head", "head_time", "objects", "bytes",
//                "waiting_bytes", "waiting_changes", "last_error",
//                "memory_bytes", "generation"},
//    "journal": {"used_bytes", "capacity_bytes"},
//    "disk":    {"total_bytes", "available_bytes", "usable_bytes"},
//    "copies":  [{"name", "url", "state", "watermark", "watermark_time",
//                 "age_seconds", "objects", "bytes", "objects_waiting",
//                 "bytes_waiting", "bytes_per_second", "last_error",
//                 "last_error_time", "notice", "notice_time",
//                 "complete_time", "disks": [{"id", "label", "in",
//                 "watermark", "watermark_time", "complete_time"}...],
//                 "space": {"total_bytes", "available_bytes"}?,
//                 "drill": {"time", "verdict", "conclusion", "report"}?}...],
//    "heals":   {"healed", "fetched", "failed"},
//    "hydration": {"objects_missing", "bytes_missing", "objects_total",
//                  "bytes_total", "bytes_per_second", "last_error"}?,
//    "scrub": [{"name", "objects", "due", "oldest", "bytes_verified",
//               "healed", "bad": [key...], "last_error"}...],
//    "lost_files": [{"path", "reason"}...],
//    "snapshots": {"count", "newest": snapshot?}}
//   snapshot := {"name", "label", "time"}
//
// `heals` counts objects since the mount: bad ones replaced, missing ones that
// came from a copy, and reads for which no good copy was found.
// `scrub` is when the objects of each copy were last verified: `oldest` is the
// time of what was verified longest ago, 0 when something never was, `due` what
// the pass under way has before it.
// `hydration` is there while a recovered volume lacks objects that a copy has.
// `usable_bytes` of the primary's disk are what writers can have: the rest is
// kept for what they have written already. `space` is that of the medium of a
// `dir:` target that is there.
// `disks` take turns at the place of a `dir:` target; the first one is in, or
// was last, and the copy's figures are of it. `complete_time` is when a copy or
// a disk was last seen to hold everything.
// Times are seconds since 1970 UTC, 0 where there is none. `age_seconds` is
// how long the oldest change that the copy lacks has been waiting: what a
// disaster now would lose; 0 when it lacks nothing.
// Thread rule: free functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/base/env.h"
#include "fs/control/protocol.h"
#include "fs/volume/types.h"
#include "fs/volume/volume.h"

namespace trefoil {

// As replicator's.
struct DiskFigures {
  std::string id;
  std::string label;
  bool is_in = false;
  CommitSeq watermark;
  int64_t watermark_time_nanos = 0;
  int64_t complete_nanos = 0;
};

// The last recovery drill of a copy, as `trefoil drill` left it.
struct DrillFigures {
  int64_t time_seconds = 0;  // 0: none
  std::string verdict;       // "passed", "failed", "not done"
  std::string conclusion;
  std::string report;  // path
};

// One target's copy. As replicator's TargetStatus, which fs does not know.
struct CopyStatus {
  std::string name;
  std::string url;
  std::string state;
  CommitSeq watermark;
  int64_t watermark_time_nanos = 0;
  uint64_t objects_held = 0;
  uint64_t bytes_held = 0;
  uint64_t objects_waiting = 0;
  uint64_t bytes_waiting = 0;
  uint64_t bytes_per_second = 0;
  SpaceInfo space;  // zeros: not known
  std::string last_error;
  int64_t last_error_time_nanos = 0;
  std::string notice;
  int64_t notice_time_nanos = 0;
  int64_t complete_nanos = 0;
  std::vector<DiskFigures> disks;
  DrillFigures drill;
};

// As replicator's, which fs does not know.
struct HydrationFigures {
  bool active = false;
  uint64_t objects_missing = 0;
  uint64_t bytes_missing = 0;
  uint64_t objects_total = 0;
  uint64_t bytes_total = 0;
  uint64_t bytes_per_second = 0;
  std::string last_error;
};

// As replicator's ScrubStatus.
struct ScrubFigures {
  std::string name;
  uint64_t objects = 0;
  uint64_t due = 0;
  int64_t oldest_nanos = 0;
  uint64_t bytes_verified = 0;
  uint64_t healed = 0;
  std::vector<std::string> bad;
  std::string last_error;
};

// What the volume itself does not know.
struct StatusContext {
  std::vector<ScrubFigures> scrubs;
  HydrationFigures hydration;
  std::string version;
  std::string mountpoint;  // empty: not mounted
  bool detached = false;
  int64_t now_nanos = 0;
};

Json ScrubsToJson(const std::vector<ScrubFigures>& scrubs);
Json SnapshotToJson(const SnapshotInfo& snapshot);
Json StatusToJson(Volume& volume, const std::vector<CopyStatus>& copies,
                  const StatusContext& context);

// How long `copy` has been behind: 0 when it holds the head.
int64_t CopyAgeSeconds(Volume& volume, const CopyStatus& copy,
                       int64_t now_nanos);

}  // namespace trefoil
