// SPDX-License-Identifier: Apache-2.0
// The beginning of a shipper's session: whose target it is, and what it holds.
#include <fmt/format.h>

#include "fs/base/log.h"
#include "fs/object/object_reader.h"
#include "replicator/rebase.h"
#include "replicator/shipper.h"
#include "replicator/sources.h"
#include "replicator/strangers.h"

namespace trefoil {

Status Shipper::Connect() {
  const uint64_t look = looks_wanted();
  TREFOIL_ASSIGN(store_, options_.open(cancel_));
  if (options_.disk_of) UseDisk(options_.disk_of(*store_));
  NoteSpace();
  TREFOIL_TRY(side_.Learn(*store_));
  TREFOIL_TRY(Claim());
  if (options_.tidy) TREFOIL_TRY(options_.tidy(*store_));
  checked_nanos_ = world_.clock.MonotonicNanos();
  TREFOIL_TRY(PutVolumeObject());
  TREFOIL_TRY(Validate());
  NoteLook(look);
  return OkStatus();
}

// What is known of one disk says nothing of another.
void Shipper::UseDisk(const TargetDisk& disk) {
  {
    const MutexLock lock(mu_);
    disk_is_in_ = true;
    dirty_ = true;
    if (!state_.UseDisk(disk)) return;
    looks_done_ = 0;
  }
  LogInfo("replicator", "target {} is disk {} {} now", options_.name, disk.id,
          disk.label);
  held_ = ClaimName();
  audited_ = false;
  full_ = false;
  watermark_key_.clear();
  backlog_.Reset(Watermark().seq, {});
}

Status Shipper::PutVolumeObject() {
  SideObjects::Steps steps;
  steps.put = [this](const std::string& key, const Hash256& name) {
    return PutObject(key, name);
  };
  steps.replace = [this](const std::string& key, const Hash256& name) {
    return PutOnce(key, name, PutMode::kReplace);
  };
  steps.verify = [this](const ObjectInfo& object) {
    return VerifyObjectHash(*store_, object.key, object.size_bytes);
  };
  steps.remove = [this](const ObjectInfo& object) -> Status {
    TREFOIL_TRY(CheckClaim());
    TREFOIL_TRY(store_->Delete(object.key));
    NoteDeleted(object.size_bytes);
    return OkStatus();
  };
  const Status done = side_.PutVolumeObject(steps);
  SetVolumeObject(side_.volume_object());
  return done;
}

// The chain's generations only grow, so it can be found by halving. Commits
// that a checkpoint stands for are older than all that this opening has made
// when it first looks.
Result<CommitRef> FindClaimBase(CommitSource& source) {
  const CommitRef head = source.head();
  if (head.seq.value == 0 || head.generation < source.generation()) {
    return head;
  }
  CommitRef base;
  uint64_t first = 1;
  uint64_t last = head.seq.value;  // is of our generation
  while (first < last) {
    const uint64_t middle = first + (last - first) / 2;
    const auto commit = source.NextCommit(CommitSeq(middle - 1));
    const bool is_trimmed = commit.status().Is(StatusCode::kTrimmed);
    if (!is_trimmed) TREFOIL_TRY(commit.status());
    if (is_trimmed || commit->generation < source.generation()) {
      base = is_trimmed ? CommitRef() : *commit;
      base.seq = CommitSeq(middle);
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return base;
}

// For a lost state file: a claim is ours when a commit or a checkpoint of its
// generation on the target is also a local one.
Result<bool> Shipper::ClaimIsOurs(const ClaimName& claim) {
  for (const char* kind : {"commit", "checkpoint"}) {
    const std::string prefix =
        fmt::format("{}/{:016x}-", kind, claim.generation.value);
    bool shared = false;
    TREFOIL_TRY(store_->List(prefix, "", [&](const ObjectInfo& info) {
      shared = source_.objects().Head(info.key).ok();
      return !shared && !stopping();
    }));
    if (shared) return true;
  }
  return false;
}

Status Shipper::Claim() {
  if (held_ != ClaimName()) {  // in an earlier session
    const Status owner = CheckStillOwner(*store_, held_);
    if (!owner.Is(StatusCode::kNotFound)) return owner;
    NoteNotice("the owner claim of this volume was gone from it");
  }
  OwnerClaim claim;
  claim.volume_id = source_.volume_id();
  claim.name = {source_.generation(), instance_};
  ClaimHistory history;
  bool known = false;
  {
    const MutexLock lock(mu_);
    history.ours = state_.claims;
    history.superseded = state_.superseded;
    known = state_.claims_known;
  }
  if (!known) {
    history.is_ours = [this](const ClaimName& other) {
      return ClaimIsOurs(other);
    };
  }
  TREFOIL_TRY(CheckClaimable(*store_, source_.keyring(), claim.name, history));
  {
    const MutexLock lock(mu_);
    state_.AddClaim(claim.name);
    state_.claims_known = true;
  }
  // Remembered before it is made: a claim must never be taken for a stranger's.
  TREFOIL_TRY(SaveState());
  if (!claim_base_) {
    TREFOIL_ASSIGN(claim_base_, FindClaimBase(source_));
  }
  claim.base_seq = claim_base_->seq;
  claim.base_generation = claim_base_->generation;
  claim.base_name = claim_base_->name;
  claim.time_nanos = world_.clock.WallNanos();
  ClaimOptions options;
  options.store_decides = options_.store_decides;
  options.settle_nanos = options_.settle_nanos;
  options.sleep = [this](int64_t nanos) {
    return cancel_->SleepFor(std::chrono::nanoseconds(nanos));
  };
  options.now = [this] { return world_.clock.MonotonicNanos(); };
  TREFOIL_ASSIGN(held_, TakeOwnership(*store_, source_.keyring(), claim,
                                      options, world_.random));
  return OkStatus();
}

// The watermark is believed while what proved it is where we put it. Anything
// else needs the whole look.
Status Shipper::Validate() {
  if (!audited_ || watermark_key_.empty()) return Audit();
  const auto there = store_->Head(watermark_key_);
  if (there.ok()) return OkStatus();
  if (!there.status().Is(StatusCode::kNotFound)) return there.status();
  return Audit();
}

Status Shipper::Audit() {
  gc_.Forget();
  TREFOIL_ASSIGN(AuditResult found,
                 AuditTarget(*store_, source_, [this] { return !stopping(); }));
  {
    const MutexLock lock(mu_);
    state_.status.objects_held = found.held.objects;
    state_.status.bytes_held = found.held.bytes;
  }
  const CommitRef known = Watermark();
  audited_nanos_ = world_.clock.MonotonicNanos();
  found_loss_ = false;
  TREFOIL_TRY(LookForTampering(known, found));
  if (found.complete.seq.value != 0 || !IsStillThere(known, found.held)) {
    SetWatermark(found.complete, found.complete_key);
  } else {
    SetWatermark(known, "");
  }
  if (found.complete.seq == source_.head().seq) found.held.sizes.clear();
  backlog_.Reset(found.complete.seq, std::move(found.held));
  audited_ = true;
  seen_ = true;
  return OkStatus();
}

Status Shipper::LookForTampering(const CommitRef& known,
                                 const AuditResult& found) {
  TREFOIL_ASSIGN(
      const Strangers strangers,
      FindStrangers(*store_, source_, [this] { return !stopping(); }));
  if (strangers.count > 0) {
    NoteNotice(fmt::format(
        "it holds {} objects of this volume's place that this volume never "
        "made, {} among them; whoever put them there has the right to write",
        strangers.count, strangers.first));
  } else if (found.complete.seq < known.seq &&
             !IsStillThere(known, found.held)) {
    found_loss_ = true;
    NoteNotice(fmt::format(
        "it held commit {}, and of what it confirmed {} is whole now: it was "
        "emptied, rolled back, or lost objects; what is missing is sent again",
        known.seq.value,
        found.complete.seq.value == 0
            ? "nothing"
            : fmt::format("only commit {}", found.complete.seq.value)));
  }
  return OkStatus();
}

// Whether a remembered watermark, older than all that the primary still knows,
// may be shown until the target is re-based: its commit is there, or a
// checkpoint of its number.
bool Shipper::IsStillThere(const CommitRef& watermark,
                           const HeldObjects& held) {
  if (watermark.seq.value == 0 ||
      !source_.NextCommit(watermark.seq).status().Is(StatusCode::kTrimmed)) {
    return false;
  }
  return held.sizes.contains(watermark.name) ||
         held.checkpoints.contains(watermark.seq.value);
}

Status Shipper::Rebase() {
  SetState("re-basing");
  pool_->DropQueued();
  pool_->WaitIdle();
  // What ended well is found on the target.
  pool_->TakeDone();
  TREFOIL_ASSIGN(HeldObjects held,
                 ListHeld(*store_, [this] { return !stopping(); }));
  // What follows the checkpoint that is on its way may be what is no longer
  // here: then only a newer one helps.
  CommitSeq behind = Watermark().seq;
  if (backlog_.rebasing() && backlog_.front()->ref.seq < source_.head().seq) {
    behind = backlog_.front()->ref.seq;
  }
  TREFOIL_ASSIGN(Backlog::Item checkpoint, PlanRebase(source_, behind, held));
  LogInfo("replicator",
          "target {} gets a checkpoint of commit {} with {} objects: what it "
          "lacks before is no longer here",
          options_.name, checkpoint.ref.seq.value, checkpoint.first.size());
  backlog_.Rebase(std::move(checkpoint), std::move(held));
  PublishBacklog();
  return OkStatus();
}

Status Shipper::PutObject(const std::string& key, const Hash256& name) {
  const Status put = PutOnce(key, name, PutMode::kImmutable);
  const bool suspect = put.Is(StatusCode::kNotFound) ||
                       put.Is(StatusCode::kCorruption) ||
                       put.Is(StatusCode::kIoError);
  if (!suspect) return put;
  TREFOIL_TRY(HealPrimary(key));
  return PutOnce(key, name, PutMode::kReplace);
}

Status Shipper::PutOnce(const std::string& key, const Hash256& name,
                        PutMode mode) {
  auto source = source_.objects().OpenSource(key, name);
  if (!source.ok()) return source.status().WithContext("primary");
  CountingSource counting(**source, [this](uint64_t bytes) {
    meter_.Add(bytes, world_.clock.MonotonicNanos());
  });
  const Status put = store_->Put(key, counting, mode);
  if (put.ok()) NoteHeld(counting.size_bytes());
  return put;
}

// Where the primary's object is the bad one, another target may have it good.
// kTrimmed when nothing needs it any more.
Status Shipper::HealPrimary(const std::string& key) {
  const auto there = source_.objects().Head(key);
  Status local = there.status();
  if (there.ok()) {
    local = VerifyObjectHash(source_.objects(), key, there->size_bytes);
  }
  if (local.ok()) return OkStatus();
  const Status healed = source_.Heal(key, local);
  if (healed.ok() || healed.Is(StatusCode::kTrimmed)) return healed;
  return healed.WithContext("the primary's copy is damaged, not shipped");
}

}  // namespace trefoil
