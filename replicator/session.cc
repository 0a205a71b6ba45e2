// SPDX-License-Identifier: Apache-2.0
// The beginning of a shipper's session: whose target it is, and what it holds.
#include <fmt/format.h>

#include "fs/object/object_reader.h"
#include "replicator/shipper.h"
#include "replicator/sources.h"

namespace trefoil {

Status Shipper::Connect() {
  TREFOIL_ASSIGN(store_, options_.open(cancel_));
  TREFOIL_TRY(side_.Learn(*store_));
  TREFOIL_TRY(Claim());
  if (options_.tidy) TREFOIL_TRY(options_.tidy(*store_));
  checked_nanos_ = world_.clock.MonotonicNanos();
  checkpoints_seen_ = CommitSeq();
  TREFOIL_TRY(side_.PutVolumeObjects(
      [this](const std::string& key, const Hash256& name) {
        return PutObject(key, name);
      }));
  return Validate();
}

// The newest local commit of an older generation: where ours begins. The
// chain's generations only grow, so it can be found by halving.
Result<CommitRef> Shipper::ClaimBase() {
  const CommitRef head = source_.head();
  if (head.seq.value == 0 || head.generation < source_.generation()) {
    return head;
  }
  CommitRef base;
  uint64_t first = 1;
  uint64_t last = head.seq.value;  // is of our generation
  while (first < last) {
    const uint64_t middle = first + (last - first) / 2;
    TREFOIL_ASSIGN(const CommitRef commit,
                   source_.NextCommit(CommitSeq(middle - 1)));
    if (commit.generation < source_.generation()) {
      base = commit;
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return base;
}

// For a lost state file: a claim is ours when a commit of its generation on
// the target is also a local one.
Result<bool> Shipper::ClaimIsOurs(const ClaimName& claim) {
  const std::string prefix =
      fmt::format("commit/{:016x}-", claim.generation.value);
  std::string key;
  TREFOIL_TRY(store_->List(prefix, "", [&](const ObjectInfo& info) {
    key = info.key;
    return false;
  }));
  return !key.empty() && source_.objects().Head(key).ok();
}

Status Shipper::Claim() {
  if (held_ != ClaimName()) {  // in an earlier session
    const Status owner = CheckStillOwner(*store_, held_);
    if (!owner.Is(StatusCode::kNotFound)) return owner;
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
  TREFOIL_TRY(CheckClaimable(*store_, claim.name, history));
  {
    const MutexLock lock(mu_);
    state_.AddClaim(claim.name);
    state_.claims_known = true;
  }
  // Remembered before it is made: a claim must never be taken for a stranger's.
  TREFOIL_TRY(SaveState());
  TREFOIL_ASSIGN(const CommitRef base, ClaimBase());
  claim.base_seq = base.seq;
  claim.base_generation = base.generation;
  claim.base_name = base.name;
  claim.time_nanos = world_.clock.WallNanos();
  ClaimOptions options;
  options.store_decides = options_.store_decides;
  options.settle_nanos = options_.settle_nanos;
  options.sleep = [this](int64_t nanos) {
    return cancel_->SleepFor(std::chrono::nanoseconds(nanos));
  };
  TREFOIL_ASSIGN(held_, TakeOwnership(*store_, claim, options, world_.random));
  return OkStatus();
}

// The watermark is believed while its commit is where we put it. Anything else
// needs the whole look.
Status Shipper::Validate() {
  CommitRef watermark;
  {
    const MutexLock lock(mu_);
    watermark.seq = state_.status.watermark;
    watermark.generation = state_.watermark_generation;
    watermark.name = state_.watermark_name;
  }
  if (!audited_ || watermark.seq.value == 0) return Audit();
  const auto there = store_->Head(
      CommitKey(watermark.generation, watermark.seq, watermark.name));
  if (there.ok()) return OkStatus();
  if (!there.status().Is(StatusCode::kNotFound)) return there.status();
  return Audit();
}

Status Shipper::Audit() {
  TREFOIL_ASSIGN(AuditResult found,
                 AuditTarget(*store_, source_, [this] { return !stopping(); }));
  backlog_.Reset(found.complete.seq, std::move(found.beyond));
  {
    const MutexLock lock(mu_);
    state_.status.objects_held = found.objects_held;
    state_.status.bytes_held = found.bytes_held;
  }
  SetWatermark(found.complete);
  audited_ = true;
  return OkStatus();
}

Status Shipper::PutObject(const std::string& key, const Hash256& name) {
  auto source = source_.objects().OpenSource(key, name);
  if (!source.ok()) return source.status().WithContext("primary");
  CountingSource counting(**source, [this](uint64_t bytes) {
    meter_.Add(bytes, world_.clock.MonotonicNanos());
  });
  const Status put = store_->Put(key, counting, PutMode::kImmutable);
  if (put.ok()) {
    NoteHeld(counting.size_bytes());
    return OkStatus();
  }
  if (!put.Is(StatusCode::kCorruption)) return put;
  // The target refused bytes that are not what the name says: say whose.
  const Status local =
      VerifyObjectHash(source_.objects(), key, counting.size_bytes());
  if (local.ok()) return put;
  return local.WithContext("the primary's copy is damaged, not shipped");
}

}  // namespace trefoil
