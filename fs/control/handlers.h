// SPDX-License-Identifier: Apache-2.0
// What the control socket of a mounted volume can do. Methods, with params ->
// result:
//
//   ping             {} -> {pid, version, mountpoint}
//   status           {} -> see status.h
//   commit           {} -> {seq}
//   sync             {target: "all", timeout_seconds: 0} -> {seq}; progress
//                    {seq, targets: [...]} twice a second. 0: for ever.
//   scrub            {offsite: false, wait: false} -> the status' "scrub";
//                    with wait the same as progress, twice a second
//   snapshot-create  {label: ""} -> one snapshot, as in status.h
//   snapshot-list    {} -> [snapshot...]
//   snapshot-delete  {name} -> {}
//   target-add       {name, url, options: {key: text}, later: false} -> {can}
//   target-remove    {name, force: false} -> {url, objects, bytes, disks,
//                    left: [{name, url}...]}
//   target-forget    {name, disk} -> {disk, label}
//   target-nudge     {} -> {}: targets that are away are tried again now
//   reload-keys      {handed_over: ""} -> {}; in hexadecimal, the volume key in
//                    a box that only the mounted volume opens (key_change.h);
//                    else it is found as it was when the volume was mounted
//
// fs knows no replicator: what it says of the targets comes in through
// ControlTargets.
// Thread rule: the handlers are thread-safe and borrow what they were given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fs/base/clock.h"
#include "fs/control/server.h"
#include "fs/control/status.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"

namespace trefoil {

// The copies, as the control socket sees them. Thread-safe.
class ControlTargets {
 public:
  virtual ~ControlTargets() = default;
  [[nodiscard]] virtual std::vector<CopyStatus> Copies() const = 0;
  [[nodiscard]] virtual HydrationFigures Hydration() const { return {}; }
  [[nodiscard]] virtual std::vector<ScrubFigures> Scrubs() const { return {}; }
  // Begins to verify everything, far copies too with `far`; the number that
  // WaitForScrub waits for. 0: it is not to be had.
  virtual uint64_t RequestScrub(bool far) {
    static_cast<void>(far);
    return 0;
  }
  virtual bool WaitForScrub(uint64_t request, int64_t timeout_nanos) {
    static_cast<void>(timeout_nanos);
    return request == 0;
  }
  // As Replicator::WaitFor.
  virtual Status WaitFor(const std::string& target, CommitSeq seq,
                         int64_t timeout_nanos) = 0;
  // As Replicator::Nudge.
  virtual void Nudge() = 0;
  // Durably, and at once. `later`: the place is not looked at.
  virtual Result<Json> AddTarget(const TargetSettings& target, bool later) {
    static_cast<void>(target);
    static_cast<void>(later);
    return Status(StatusCode::kNotSupported, "targets can't be added here");
  }
  virtual Result<Json> RemoveTarget(const std::string& name, bool force) {
    static_cast<void>(name);
    static_cast<void>(force);
    return Status(StatusCode::kNotSupported, "targets can't be removed here");
  }
  virtual Result<Json> ForgetDisk(const std::string& name,
                                  const std::string& disk) {
    static_cast<void>(name);
    static_cast<void>(disk);
    return Status(StatusCode::kNotSupported, "disks can't be forgotten here");
  }
};

struct ControlIdentity {
  std::string version;
  std::string mountpoint;
  bool detached = false;
  // Finds the secret that opens the volume, for reload-keys.
  std::function<Result<std::shared_ptr<const Secret>>()> secret;
};

ControlHandlers VolumeHandlers(Volume& volume, ControlTargets& targets,
                               Clock& clock, const ControlIdentity& identity);

}  // namespace trefoil
