// SPDX-License-Identifier: Apache-2.0
#include "replicator/shipper.h"

#include <algorithm>
#include <utility>

#include "fs/base/sabotage.h"

namespace trefoil {

namespace {

// Commits counted between two looks at everything else.
constexpr size_t kScanCommits = 512;
// Packs given to the pool ahead of its threads.
constexpr size_t kQueuedPerUpload = 2;
constexpr int64_t kTickNanos = 1'000'000'000;
constexpr int kMaxDoublings = 16;

}  // namespace

Shipper::Shipper(World world, CommitSource& source, const InstanceId& instance,
                 ShipperOptions options, std::function<void()> on_change)
    : world_(world),
      source_(source),
      instance_(instance),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      cancel_(std::make_shared<CancelToken>()),
      backlog_(source),
      side_(source),
      gc_(source, options_.gc_grace_nanos) {
  if (const Status loaded = LoadState(); !loaded.ok()) NoteError(loaded);
  claim_base_ = options_.claim_base;
  if (claim_base_) return;
  // While nothing of this opening was let go yet.
  if (const auto base = FindClaimBase(source_); base.ok()) claim_base_ = *base;
}

Shipper::~Shipper() {
  RequestStop();
  Join();
}

void Shipper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Shipper::RequestStop() {
  cancel_->Cancel();
  Wake();
}

void Shipper::Join() {
  if (thread_.joinable()) thread_.join();
}

void Shipper::Nudge() {
  {
    const MutexLock lock(mu_);
    nudged_ = true;
    ++looks_wanted_;
  }
  Wake();
}

void Shipper::Wake() {
  {
    const MutexLock lock(mu_);
    ++events_;
  }
  changed_.SignalAll();
}

void Shipper::Run() {
  LowerThreadPriority();
  while (!stopping()) {
    Status ended = BeginSession();
    if (ended.ok()) ended = Ship();
    if (!EndSession(ended)) break;
    BackOff();
  }
  SaveStateIfDue();
}

bool Shipper::Step() {
  if (stopping() || fenced_ || (!in_session_ && !BackedOff())) return false;
  bool idle = false;
  Status ended;
  if (!in_session_) {
    ended = BeginSession();
  } else {
    const auto step = ShipStep();
    ended = step.status();
    idle = step.ok() && *step;
  }
  if (!ended.ok()) EndSession(ended);
  return !idle;
}

Status Shipper::BeginSession() {
  progressed_ = false;
  in_session_ = true;
  if (!state_is_loaded_) TREFOIL_TRY(LoadState());
  TREFOIL_TRY(Connect());
  pool_ = std::make_unique<UploadPool>(
      options_.uploads,
      [this](const ObjectItem& object) {
        return PutObject(object.key, object.name);
      },
      [this] { Wake(); });
  backlog_.RestartUploads();
  SetState(backlog_.rebasing() ? "re-basing" : "catching up");
  return OkStatus();
}

bool Shipper::EndSession(const Status& ended) {
  if (pool_) {
    pool_->DropQueued();
    pool_->WaitIdle();
    // What ended well meanwhile need not be shipped again.
    static_cast<void>(CollectUploads());
    pool_.reset();
  }
  store_.reset();
  in_session_ = false;
  if (stopping()) return false;
  if (ended.Is(StatusCode::kUnavailable) && options_.removable) {
    audited_ = false;
    const MutexLock lock(mu_);
    disk_is_in_ = false;
  }
  NoteError(ended);
  SaveStateIfDue();
  full_ = ended.Is(StatusCode::kNoSpace);
  // Fenced is for good (O9): only an explicit takeover ends it, or another
  // disk.
  fenced_ = ended.Is(StatusCode::kFenced) && !options_.removable;
  failures_ = progressed_ ? 1 : failures_ + 1;
  const int doublings = std::clamp(failures_ - 1, 0, kMaxDoublings);
  const int64_t most = std::min(options_.backoff_max_nanos,
                                options_.backoff_min_nanos << doublings);
  // Half of it is jitter, so that many volumes don't come back as one.
  const int64_t wait =
      most / 2 + static_cast<int64_t>(world_.random.Next64() %
                                      static_cast<uint64_t>(most / 2 + 1));
  not_before_nanos_ = world_.clock.MonotonicNanos() + wait;
  return !fenced_;
}

Status Shipper::Ship() {
  while (!stopping()) {
    uint64_t seen_events = 0;
    {
      const MutexLock lock(mu_);
      seen_events = events_;
    }
    TREFOIL_ASSIGN(const bool idle, ShipStep());
    if (idle) WaitForEvent(seen_events, kTickNanos);
  }
  return OkStatus();
}

Result<bool> Shipper::ShipStep() {
  const auto idle = ShipMore();
  if (!idle.status().Is(StatusCode::kTrimmed)) return idle;
  // What the target lacks is no longer on the primary.
  TREFOIL_TRY(Rebase());
  return false;
}

Result<bool> Shipper::ShipMore() {
  {
    const MutexLock lock(mu_);
    nudged_ = false;
  }
  TREFOIL_TRY(RecheckIfDue());
  TREFOIL_TRY(PutVolumeObject());
  TREFOIL_TRY(backlog_.Scan(kScanCommits));
  if (std::exchange(full_, false) && !backlog_.rebasing()) {
    TREFOIL_TRY(CollectGarbage().status());
  }
  Dispatch();
  TREFOIL_TRY(CollectUploads());
  PublishBacklog();
  SaveStateIfDue();
  if (backlog_.FrontReady()) {
    TREFOIL_TRY(ShipFront());
    return false;
  }
  if (!backlog_.scanned_all()) return false;
  if (backlog_.front() == nullptr) {
    TREFOIL_TRY(ShipSideObjects());
    if (LossMayGoOn()) {
      TREFOIL_TRY(Audit());
      return false;
    }
    NoteSuccess();
    SetState("up to date");
    if (std::exchange(seen_, false)) NoteComplete();
    TREFOIL_ASSIGN(const bool more, CollectGarbage());
    return !more;
  }
  return true;
}

void Shipper::Dispatch() {
  const size_t limit =
      static_cast<size_t>(std::max(options_.uploads, 1)) * kQueuedPerUpload;
  while (pool_->pending() < limit) {
    auto object = backlog_.NextUpload();
    if (!object) return;
    pool_->Submit(std::move(*object));
  }
}

Status Shipper::CollectUploads() {
  Status first;
  for (const UploadPool::Done& done : pool_->TakeDone()) {
    if (done.status.ok()) {
      backlog_.UploadDone(done.object);
      progressed_ = true;
    } else if (first.ok()) {
      first = done.status;
    }
  }
  return first;
}

// O3: everything that it needs was confirmed before; the watermark follows.
Status Shipper::ShipFront() {
  const CommitRef ref = backlog_.front()->ref;
  const ObjectItem last = backlog_.front()->last;
  SetState(backlog_.rebasing() ? "re-basing" : "catching up");
  // Who swaps disks is quick; a look at this kind of target costs nothing.
  if (options_.removable) TREFOIL_TRY(CheckWatermark());
  if (IsSabotaged(Sabotage::kMoveWatermarkEarly)) SetWatermark(ref, last.key);
  // It may be sealed under a key that only a new volume object brings.
  TREFOIL_TRY(PutVolumeObject());
  if (!backlog_.IsPresent(last)) TREFOIL_TRY(PutObject(last.key, last.name));
  if (backlog_.rebasing()) side_.NotePut(last);
  backlog_.FrontDone();
  seen_ = true;
  NoteSuccess();
  PublishBacklog();
  SetWatermark(ref, last.key);
  return OkStatus();
}

Status Shipper::ShipSideObjects() {
  const auto released = side_.PutCheckpoint(
      Watermark().seq, [this](const std::string& key, const Hash256& name) {
        return PutObject(key, name);
      });
  // A newer one took its place just now.
  if (released.status().Is(StatusCode::kTrimmed)) return OkStatus();
  if (!released.ok()) return released.status();
  SetReleased(*released);
  return OkStatus();
}

Result<bool> Shipper::CollectGarbage() {
  const int64_t now = world_.clock.MonotonicNanos();
  if (gc_.IsDue(now) && !watermark_key_.empty()) {
    const Status looked = gc_.Look({*store_, Watermark().seq, watermark_key_},
                                   now, [this] { return !stopping(); });
    if (looked.Is(StatusCode::kNotFound)) {
      audited_ = false;
      return Status(StatusCode::kUnavailable, looked.message());
    }
    TREFOIL_TRY(looked);
  }
  if (!gc_.HasRipe()) return false;
  TREFOIL_TRY(CheckClaim());
  TREFOIL_TRY(
      gc_.DeleteBatch(*store_, [this](uint64_t bytes) { NoteDeleted(bytes); }));
  return gc_.HasRipe();
}

Status Shipper::CheckClaim() {
  checked_nanos_ = world_.clock.MonotonicNanos();
  const Status owner = CheckStillOwner(*store_, held_);
  seen_ = owner.ok();
  if (!owner.Is(StatusCode::kNotFound)) return owner;
  // An emptied target, perhaps: the next session claims it and looks.
  audited_ = false;
  return Status(StatusCode::kUnavailable, owner.message());
}

Status Shipper::RecheckIfDue() {
  const bool is_old =
      world_.clock.MonotonicNanos() - checked_nanos_ >= options_.recheck_nanos;
  uint64_t look = 0;
  {
    const MutexLock lock(mu_);
    look = looks_wanted_;
    if (!is_old && looks_done_ == look) return OkStatus();
  }
  NoteSpace();
  TREFOIL_TRY(CheckClaim());
  TREFOIL_TRY(CheckWatermark());
  NoteLook(look);
  return OkStatus();
}

// An older copy of the target may have the claim, but not what came after.
Status Shipper::CheckWatermark() {
  if (watermark_key_.empty()) return OkStatus();
  const auto there = store_->Head(watermark_key_);
  if (!there.status().Is(StatusCode::kNotFound)) return there.status();
  audited_ = false;
  return Status(StatusCode::kUnavailable,
                watermark_key_ + " is gone from the target");
}

// Whoever empties a target deletes one object after the other, among them what
// was sent again meanwhile: until a look finds nothing lost, there is another.
bool Shipper::LossMayGoOn() const {
  return found_loss_ && world_.clock.MonotonicNanos() - audited_nanos_ >=
                            options_.recheck_nanos;
}

bool Shipper::BackedOff() {
  {
    const MutexLock lock(mu_);
    if (std::exchange(nudged_, false)) return true;
  }
  // What waits is counted while the target is away, too.
  static_cast<void>(backlog_.Scan(kScanCommits));
  PublishBacklog();
  SaveStateIfDue();
  return world_.clock.MonotonicNanos() >= not_before_nanos_;
}

void Shipper::BackOff() {
  while (!stopping()) {
    uint64_t seen_events = 0;
    {
      const MutexLock lock(mu_);
      seen_events = events_;
    }
    if (BackedOff()) return;
    const int64_t left = not_before_nanos_ - world_.clock.MonotonicNanos();
    WaitForEvent(seen_events, std::clamp<int64_t>(left, 0, kTickNanos));
  }
}

void Shipper::WaitForEvent(uint64_t seen_events, int64_t nanos) {
  const MutexLock lock(mu_);
  if (events_ != seen_events || stopping()) return;
  changed_.WaitFor(mu_, std::chrono::nanoseconds(nanos));
}

}  // namespace trefoil
