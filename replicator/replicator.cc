// SPDX-License-Identifier: Apache-2.0
#include "replicator/replicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "replicator/copy_store.h"
#include "replicator/replicator_impl.h"
#include "replicator/store/target_url.h"
#include "replicator/target_opener.h"

namespace trefoil {

namespace {

constexpr int64_t kWatchNanos = 500'000'000;

// A volume as the shippers see it.
class VolumeSource final : public CommitSource {
 public:
  explicit VolumeSource(Volume& volume) : volume_(volume) {}
  [[nodiscard]] CommitRef head() const override { return volume_.head(); }
  Result<CommitRef> NextCommit(CommitSeq after) override {
    return volume_.NextCommit(after);
  }
  bool WaitForCommit(CommitSeq after, int64_t timeout_nanos) override {
    return volume_.WaitForCommit(after, timeout_nanos);
  }
  Result<CommitRef> Checkpoint() override { return volume_.Checkpoint(); }
  Result<std::optional<ObjectInfo>> NewestCheckpoint() override {
    return volume_.NewestCheckpoint();
  }
  void ReleaseCommits(CommitSeq through) override {
    volume_.ReleaseCommits(through);
  }
  Result<CommitRef> VisitHeadObjects(
      const std::function<Status(const ObjectInfo&)>& visit) override {
    return volume_.VisitHeadObjects(visit);
  }
  LocalTree& objects() override { return volume_.objects(); }
  Status Heal(const std::string& key, const Status& why) override {
    return volume_.Heal(key, why);
  }
  [[nodiscard]] VolumeId volume_id() const override {
    return volume_.volume_id();
  }
  [[nodiscard]] const Keyring& keyring() const override {
    return volume_.keyring();
  }
  [[nodiscard]] Generation generation() const override {
    return volume_.generation();
  }

 private:
  Volume& volume_;
};

}  // namespace

TargetStatus LastKnown(Env& env, const std::string& volume_path,
                       const TargetSettings& target) {
  auto state = LoadTargetState(env, TargetStatePath(volume_path, target.name));
  TargetStatus status;
  if (state.ok()) {
    status = std::move(state->status);
    status.disks = state->Disks(false);
  } else {
    status.state = "unknown";
    if (!state.status().Is(StatusCode::kNotFound)) {
      status.last_error = state.status().message();
    }
  }
  status.name = target.name;
  status.url = target.url;
  return status;
}

namespace {

ScrubOptions ScrubOptionsOf(const VolumeConfig& config) {
  constexpr int64_t kNanosPerDay = 24LL * 3600 * 1'000'000'000;
  ScrubOptions options;
  options.period_nanos = config.scrub_days * kNanosPerDay;
  options.bytes_per_second = config.scrub_bytes_per_second;
  options.far_bytes_per_day = config.scrub_offsite_bytes_per_day;
  options.heals_copies = !config.detached;
  return options;
}

// The number of the newest one in the primary's tree; 0: there is none.
Result<uint64_t> NewestVolumeObject(LocalTree& objects) {
  uint64_t newest = 0;
  TREFOIL_TRY(objects.List("volume/", "", [&newest](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) newest = std::max(newest, parsed->number);
    return true;
  }));
  return newest;
}

std::string Lagging(const TargetStatus& target) {
  std::string text = fmt::format("target {} is {} at commit {}", target.name,
                                 target.state, target.watermark.value);
  if (!target.last_error.empty()) text += ": " + target.last_error;
  return text;
}

}  // namespace

std::unique_ptr<CommitSource> SourceOf(Volume& volume) {
  return std::make_unique<VolumeSource>(volume);
}

Result<std::unique_ptr<Replicator>> Replicator::Create(
    World world, Volume& volume, const VolumeConfig& config,
    const ReplicatorOptions& options) {
  auto replicator = std::make_unique<ReplicatorImpl>(world, volume, config,
                                                     options.credentials_file);
  for (const TargetSettings& target : config.targets) {
    TREFOIL_TRY(replicator->AddConfigured(target));
  }
  return std::unique_ptr<Replicator>(std::move(replicator));
}

Result<std::vector<TargetStatus>> LoadTargetStatus(Env& env,
                                                   const std::string& volume,
                                                   const VolumeConfig& config) {
  std::vector<TargetStatus> all;
  for (const TargetSettings& target : config.targets) {
    all.push_back(LastKnown(env, volume, target));
    if (config.detached) all.back().state = "detached";
  }
  return all;
}

ReplicatorImpl::ReplicatorImpl(World world, Volume& volume,
                               const VolumeConfig& config,
                               std::string credentials_file)
    : world_(world),
      volume_(volume),
      is_detached_(config.detached),
      credentials_file_(std::move(credentials_file)),
      source_(SourceOf(volume)),
      instance_(NewInstance(world.random)),
      hydrator_(world, volume, {}, HydratorOptions()),
      scrubber_(world, volume, places(), ScrubOptionsOf(config)) {
  // While nothing of this opening was let go yet; later ones ask by themselves.
  if (const auto base = FindClaimBase(*source_); base.ok()) claim_base_ = *base;
}

ReplicatorImpl::~ReplicatorImpl() { Stop(); }

void ReplicatorImpl::Start() {
  hydrator_.Start();
  scrubber_.Start();
  started_ = true;
  for (const auto& target : targets()) {
    if (target->shipper) target->shipper->Start();
  }
  ReleaseCommits();
  if (!is_detached_) watcher_ = std::thread([this] { Watch(); });
}

void ReplicatorImpl::Stop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.SignalAll();
  hydrator_.RequestStop();
  scrubber_.RequestStop();
  const MutexLock lock(changes_mu_);
  const Targets all = targets();
  for (const auto& target : all) {
    target->copy->Close();
    if (target->shipper) target->shipper->RequestStop();
  }
  for (const auto& target : all) {
    if (target->shipper) target->shipper->Join();
  }
  hydrator_.Join();
  scrubber_.Join();
  if (watcher_.joinable()) watcher_.join();
}

// The primary need not keep for the targets what all of them can do without.
void ReplicatorImpl::ReleaseCommits() {
  if (is_detached_) return;
  CommitSeq released(std::numeric_limits<uint64_t>::max());
  for (const auto& target : targets()) {
    released = std::min(released, target->shipper->released());
  }
  source_->ReleaseCommits(released);
}

// Tells the shippers of new commits.
void ReplicatorImpl::Watch() {
  LowerThreadPriority();
  CommitSeq seen = source_->head().seq;
  while (true) {
    if (source_->WaitForCommit(seen, kWatchNanos)) {
      seen = source_->head().seq;
      for (const auto& target : targets()) target->shipper->Wake();
    }
    ReleaseCommits();
    const MutexLock lock(mu_);
    if (stopping_) return;
    // Also paces a source that no longer waits because it closes.
    constexpr int64_t kPaceNanos = 10'000'000;
    changed_.WaitFor(mu_, std::chrono::nanoseconds(kPaceNanos));
    if (stopping_) return;
  }
}

void ReplicatorImpl::Changed() {
  {
    // Nobody between its look and its wait may miss the signal.
    const MutexLock lock(mu_);
  }
  changed_.SignalAll();
}

Status ReplicatorImpl::WaitFor(const std::string& target, CommitSeq seq,
                               int64_t timeout_nanos) {
  const int64_t until = world_.clock.MonotonicNanos() + timeout_nanos;
  TREFOIL_ASSIGN(const uint64_t volume_object,
                 NewestVolumeObject(source_->objects()));
  const MutexLock lock(mu_);
  while (true) {
    bool known = target == "all";
    const TargetStatus* lagging = nullptr;
    const std::vector<TargetStatus> all = StatusLocked();
    for (const TargetStatus& one : all) {
      if (target != "all" && target != one.name) continue;
      known = true;
      const bool lags = one.watermark < seq ||
                        (one.state != "detached" &&
                         (!one.seen || one.volume_object < volume_object));
      if (lags && lagging == nullptr) lagging = &one;
    }
    if (!known) {
      return Status(StatusCode::kNotFound, "no target is named " + target);
    }
    if (lagging == nullptr) return OkStatus();
    // Waiting can't help these.
    if (lagging->state == "fenced" || lagging->state == "detached") {
      return Status(StatusCode::kFenced, Lagging(*lagging));
    }
    const int64_t left = until - world_.clock.MonotonicNanos();
    if (left <= 0 || stopping_) {
      return Status(StatusCode::kTimedOut, Lagging(*lagging));
    }
    changed_.WaitFor(mu_, std::chrono::nanoseconds(left));
  }
}

void ReplicatorImpl::Nudge() {
  for (const auto& target : targets()) {
    if (target->shipper) target->shipper->Nudge();
  }
}

std::vector<TargetStatus> ReplicatorImpl::status() const {
  const MutexLock lock(mu_);
  return StatusLocked();
}

std::vector<TargetStatus> ReplicatorImpl::StatusLocked() const {
  std::vector<TargetStatus> all;
  for (const auto& target : targets_) {
    all.push_back(target->shipper ? target->shipper->status()
                                  : target->last_known);
  }
  return all;
}

}  // namespace trefoil
