// SPDX-License-Identifier: Apache-2.0
// Shipper: keeps one target's copy complete, for ever, from a thread of its
// own. A session opens the target, claims it, audits what is there, and ships
// commit after commit; any error ends the session, and after a backoff the
// next one begins.
//
// Keeps O3 (a commit is put only when all its packs were confirmed, and the
// watermark moves only when the commit was), O8 (errors go to the status), O9
// (ships only while its claim stands).
// Thread rule: Start, RequestStop and Join by one thread; the rest by any. Step
// instead of Start, by one thread, where the caller lends its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "fs/base/mutex.h"
#include "fs/volume/volume.h"
#include "replicator/backlog.h"
#include "replicator/commit_source.h"
#include "replicator/owner.h"
#include "replicator/rate_meter.h"
#include "replicator/side_objects.h"
#include "replicator/store/cancel.h"
#include "replicator/target_gc.h"
#include "replicator/target_state.h"
#include "replicator/upload_pool.h"

namespace trefoil {

struct ShipperOptions {
  std::string name;
  std::string url;
  std::string state_path;
  // Opens the target; called at the start of each session.
  std::function<Result<std::unique_ptr<ObjectStore>>(
      std::shared_ptr<CancelToken>)>
      open;
  // Clears away what an earlier owner broke off; called once the target is
  // claimed. May be empty.
  std::function<Status(ObjectStore&)> tidy;
  // Which of the disks that take turns an opened target is; each has a state
  // of its own. May be empty: there is only one.
  std::function<TargetDisk(ObjectStore&)> disk_of;
  // How full an opened target's medium is. May be empty: nobody can tell.
  std::function<SpaceInfo(ObjectStore&)> space_of;
  // What FindClaimBase answered in time; else it is asked now.
  std::optional<CommitRef> claim_base;
  // The target is known to enforce PutMode::kIfAbsent.
  bool store_decides = false;
  // A medium that can be unplugged: when it is back it may be another one.
  bool removable = false;

  int uploads = 4;  // packs at a time; 0: one, by the shipper's own thread
  int64_t backoff_min_nanos = 500'000'000;
  int64_t backoff_max_nanos = 30'000'000'000;
  // How often the claim (and with it the target) is looked at.
  int64_t recheck_nanos = 30'000'000'000;
  int64_t settle_nanos = 2'000'000'000;
  // How long an object that nothing needs stays on the target.
  int64_t gc_grace_nanos = 3'600'000'000'000;
  // A save costs the primary disk a sync.
  int64_t save_nanos = 3'000'000'000;
};

// The newest local commit of an older generation: where this opening's chain
// begins. To be asked before anything of this opening is let go.
Result<CommitRef> FindClaimBase(CommitSource& source);

class Shipper {
 public:
  // `source` outlives this. `on_change` is called without a lock when the
  // watermark or the state has changed.
  Shipper(World world, CommitSource& source, const InstanceId& instance,
          ShipperOptions options, std::function<void()> on_change);
  ~Shipper();  // stops
  Shipper(const Shipper&) = delete;
  Shipper& operator=(const Shipper&) = delete;

  void Start();
  void RequestStop();
  void Join();
  // Does a little: begins the session that is due, or goes on with it. False
  // when there is nothing to do until there is a new commit or the backoff has
  // passed.
  bool Step();

  // Looks at the target again, now, also if it backs off.
  void Nudge();
  // There may be a new commit.
  void Wake();
  [[nodiscard]] TargetStatus status() const;
  [[nodiscard]] const std::string& name() const { return options_.name; }
  // The target can do without the primary's commits up to this one.
  [[nodiscard]] CommitSeq released() const;

 private:
  // --- The thread: shipper.cc -------------------------------------------
  void Run();
  Status BeginSession();
  Status Ship();
  // Whether there is nothing to do until something happens.
  Result<bool> ShipStep();
  Result<bool> ShipMore();
  void Dispatch();
  Status CollectUploads();
  Status ShipFront();
  Status ShipSideObjects();
  // Whether there is more of it.
  Result<bool> CollectGarbage();
  Status CheckClaim();
  Status CheckWatermark();
  [[nodiscard]] bool LossMayGoOn() const;
  Status RecheckIfDue();
  void BackOff();
  // Whether a session may begin.
  bool BackedOff();
  void WaitForEvent(uint64_t seen_events, int64_t nanos);
  // After `ended`, plans the next session; false when there is none.
  bool EndSession(const Status& ended);

  // --- Beginning of a session: session.cc --------------------------------
  Status Connect();
  void UseDisk(const TargetDisk& disk);
  // Whenever the ways in were changed.
  Status PutVolumeObject();
  Status Claim();
  Result<bool> ClaimIsOurs(const ClaimName& claim);
  Status Validate();
  Status Audit();
  bool IsStillThere(const CommitRef& watermark, const HeldObjects& held);
  // Whether the target held more, or holds what we never made.
  Status LookForTampering(const CommitRef& known, const AuditResult& found);
  Status Rebase();
  Status PutObject(const std::string& key, const Hash256& name);
  Status PutOnce(const std::string& key, const Hash256& name, PutMode mode);
  Status HealPrimary(const std::string& key);

  // --- What the status says: shipper_status.cc ----------------------------
  Status LoadState();
  void SetState(std::string_view state);
  // `key`: the object that proves it; empty: only remembered.
  void SetWatermark(const CommitRef& commit, const std::string& key);
  [[nodiscard]] CommitRef Watermark() const;
  void SetVolumeObject(uint64_t number);
  void SetReleased(CommitSeq released);
  void NoteHeld(uint64_t bytes);
  void NoteDeleted(uint64_t bytes);
  void NoteSpace();
  void NoteError(const Status& error);
  void NoteSuccess();
  // Everything is there, as was just seen.
  void NoteComplete();
  [[nodiscard]] uint64_t looks_wanted() const;
  // The look at the target that was wanted when it began has succeeded.
  void NoteLook(uint64_t look);
  // Something that people should know of, and that shipping puts right.
  void NoteNotice(const std::string& notice);
  void PublishBacklog();
  Status SaveState();
  void SaveStateIfDue();

  [[nodiscard]] bool stopping() const { return cancel_->cancelled(); }

  const World world_;
  CommitSource& source_;
  const InstanceId instance_;
  const ShipperOptions options_;
  const std::function<void()> on_change_;
  const std::shared_ptr<CancelToken> cancel_;

  // Of the thread alone. The store and the meter are used by the pool too.
  std::unique_ptr<ObjectStore> store_;
  std::unique_ptr<UploadPool> pool_;
  RateMeter meter_;
  Backlog backlog_;
  SideObjects side_;
  TargetGc gc_;
  ClaimName held_;
  std::optional<CommitRef> claim_base_;
  // The object that proves the watermark; empty: nothing did yet.
  std::string watermark_key_;
  bool state_is_loaded_ = false;
  bool full_ = false;  // the target was, when the last session ended
  // The audit's answer still holds, unless the target was away.
  bool audited_ = false;
  bool progressed_ = false;
  bool in_session_ = false;
  bool seen_ = false;  // the target was looked at since NoteComplete
  bool fenced_ = false;
  int failures_ = 0;              // sessions in a row without progress
  int64_t not_before_nanos_ = 0;  // when the next session may begin
  int64_t checked_nanos_ = 0;
  int64_t audited_nanos_ = 0;
  bool found_loss_ = false;  // by the last audit
  int64_t saved_nanos_ = 0;

  mutable Mutex mu_;  // a leaf
  CondVar changed_;
  TargetState state_ GUARDED_BY(mu_);
  bool disk_is_in_ GUARDED_BY(mu_) = false;
  SpaceInfo space_ GUARDED_BY(mu_);  // when the target was last looked at
  CommitSeq released_ GUARDED_BY(mu_);
  bool dirty_ GUARDED_BY(mu_) = false;
  bool nudged_ GUARDED_BY(mu_) = false;
  // Looks at the target that were asked for, and the newest that succeeded.
  uint64_t looks_wanted_ GUARDED_BY(mu_) = 1;
  uint64_t looks_done_ GUARDED_BY(mu_) = 0;
  uint64_t events_ GUARDED_BY(mu_) = 0;

  std::thread thread_;
};

}  // namespace trefoil
