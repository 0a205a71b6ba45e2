// SPDX-License-Identifier: Apache-2.0
// The replicator: one shipper per target keeps that target's copy of the
// volume's objects complete, commit by commit.
//
// Keeps O3 (packs, then the commit, then the watermark), O8 (nothing here is
// ever waited for by a writer), O9 (claims before it ships; stops when
// fenced).
// Thread rule: Start and Stop by one thread; the rest by any, AddTarget and
// RemoveTarget one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/base/env.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/scrub_status.h"

namespace trefoil {

// One of the disks that take turns at a `dir:` target; its id is on it.
struct TargetDisk {
  std::string id;  // 32 hex digits; empty: the target is no disk
  std::string label;
};

struct DiskStatus {
  TargetDisk disk;
  bool is_in = false;
  CommitSeq watermark;
  int64_t watermark_time_nanos = 0;
  int64_t complete_nanos = 0;
};

// Everything `trefoil status` says of one target.
struct TargetStatus {
  std::string name;
  std::string url;
  // "up to date", "catching up", "re-basing" (the primary no longer has a
  // commit or pack that the target lacks: it gets a later state whole),
  // "not there", "unreachable", "full", "refused" (credentials), "fenced",
  // "detached", "failing"
  std::string state;
  CommitSeq watermark;               // newest commit held completely; 0: none
  int64_t watermark_time_nanos = 0;  // the time that it stands for
  // It was looked at since the last Nudge; else the watermark is a memory.
  bool seen = false;
  // When it was last seen to hold everything; 0: never.
  int64_t complete_nanos = 0;
  // Number of the newest volume object that was read back from it; 0: none.
  uint64_t volume_object = 0;
  uint64_t objects_held = 0;
  uint64_t bytes_held = 0;
  uint64_t objects_waiting = 0;
  uint64_t bytes_waiting = 0;
  uint64_t bytes_per_second = 0;  // over the last minute of shipping
  // Of its medium, when it was last looked at; zeros where nobody can tell.
  SpaceInfo space;
  std::string last_error;  // empty: none since the last success
  int64_t last_error_time_nanos = 0;
  // The last time that it did not hold what it had confirmed, or held what this
  // volume never made: it was rolled back, emptied or tampered with.
  std::string notice;  // empty: never
  int64_t notice_time_nanos = 0;
  // The figures above are those of the first one, which is in or was last.
  std::vector<DiskStatus> disks;
};

// Of a recovered volume whose packs are not all here yet.
struct HydrationStatus {
  bool active = false;
  uint64_t objects_missing = 0;
  uint64_t bytes_missing = 0;
  uint64_t objects_total = 0;  // that were missing in the beginning
  uint64_t bytes_total = 0;
  uint64_t bytes_per_second = 0;
  std::string last_error;
};

struct ReplicatorOptions {
  std::string credentials_file;  // empty: the usual places
};

class Replicator {
 public:
  virtual ~Replicator() = default;  // stops
  // Opens no connection yet: a target that is away is a state, not an error.
  static Result<std::unique_ptr<Replicator>> Create(
      World world, Volume& volume, const VolumeConfig& config,
      const ReplicatorOptions& options);
  virtual void Start() = 0;
  // Ends all shippers soon, in the middle of a transfer too.
  virtual void Stop() = 0;
  // Waits until the watermark of `target` ("all": of every target) is at
  // `seq` or above, as was seen there since the last Nudge, and it holds the
  // newest volume object. kTimedOut with the state and last error of what lags;
  // kNotFound for a name that is no target.
  virtual Status WaitFor(const std::string& target, CommitSeq seq,
                         int64_t timeout_nanos) = 0;
  // Every target is looked at again, also where a shipper backs off.
  virtual void Nudge() = 0;
  // A target that the configuration has got: it is shipped to from now on, and
  // read from. kAlreadyExists for a name in use; kReadOnly before Start.
  virtual Status AddTarget(const TargetSettings& target) = 0;
  // A target that the configuration has no more: when this returns, nothing
  // uses it, and what was remembered of it is gone. Ends what is under way
  // there. kNotFound for a name that is no target.
  virtual Status RemoveTarget(const std::string& name) = 0;
  // As ForgetDisk of target_state.h, of a target of this name.
  virtual Result<TargetDisk> ForgetDisk(const std::string& name,
                                        const std::string& disk) = 0;
  [[nodiscard]] virtual std::vector<TargetStatus> status() const = 0;
  [[nodiscard]] virtual HydrationStatus hydration() const = 0;
  // As Scrubber; 0 and false where there is nothing to scrub.
  virtual uint64_t RequestScrub(bool far) = 0;
  virtual bool WaitForScrub(uint64_t request, int64_t timeout_nanos) = 0;
  [[nodiscard]] virtual std::vector<ScrubStatus> scrubs() const = 0;
  // The targets as copies to read from, detached ones too, the nearer first.
  // They answer kUnavailable after Stop.
  [[nodiscard]] virtual ObjectCopies copies() const = 0;
};

// The last known state of each target of a volume that is not mounted, from
// the state files that shippers keep in VOLUME/targets/.
Result<std::vector<TargetStatus>> LoadTargetStatus(Env& env,
                                                   const std::string& volume,
                                                   const VolumeConfig& config);

// Removes what VOLUME/targets and VOLUME/scrub remember of a target.
Status ForgetTarget(Env& env, const std::string& volume,
                    const std::string& target_name);

}  // namespace trefoil
