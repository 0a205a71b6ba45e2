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

TargetStatus LastKnown(Env& env, const std::string& volume_path,
                       const TargetSettings& target) {
  auto state = LoadTargetState(env, TargetStatePath(volume_path, target.name));
  TargetStatus status;
  if (state.ok()) {
    status = std::move(state->status);
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

// The primary first, then the copies, which outlive the scrubber.
std::vector<ScrubPlace> PlacesOf(Volume& volume, const ObjectCopies& copies,
                                 const VolumeConfig& config) {
  // The volume's own tree, borrowed.
  const std::shared_ptr<ObjectStore> primary(&volume.objects(),
                                             [](ObjectStore*) {});
  std::vector<ScrubPlace> places = {{{"primary", primary}, true, false}};
  for (const ObjectCopy& copy : copies) {
    bool is_far = true;
    for (const TargetSettings& target : config.targets) {
      if (target.name == copy.name) is_far = !IsRemovable(target);
    }
    places.push_back({copy, false, is_far});
  }
  return places;
}

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
  auto replicator = std::make_unique<ReplicatorImpl>(world, SourceOf(volume));
  for (const TargetSettings& target : config.targets) {
    // What can't be read now can't be read later.
    TREFOIL_TRY(ParseTargetUrl(target.url).status());
    TREFOIL_TRY(ParseTargetOptions(target.options).status());
    if (config.detached) {
      TargetStatus status = LastKnown(world.env, volume.path(), target);
      status.state = "detached";
      replicator->AddDetached(std::move(status));
      continue;
    }
    ShipperOptions shipper;
    shipper.name = target.name;
    shipper.url = target.url;
    shipper.state_path = TargetStatePath(volume.path(), target.name);
    shipper.open = [=, id = volume.volume_id(),
                    credentials = options.credentials_file](
                       std::shared_ptr<CancelToken> cancel) {
      return OpenVolumeTarget(target, credentials, id, world,
                              std::move(cancel));
    };
    shipper.store_decides = StoreDecides(target);
    shipper.removable = IsRemovable(target);
    shipper.tidy = TidyTarget;
    TREFOIL_ASSIGN(shipper.gc_grace_nanos, GraceOf(target));
    replicator->AddTarget(std::move(shipper));
  }
  replicator->ReadFrom(config, options.credentials_file, volume);
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

ReplicatorImpl::ReplicatorImpl(World world,
                               std::unique_ptr<CommitSource> source)
    : world_(world),
      source_(std::move(source)),
      instance_(NewInstance(world.random)) {}

ReplicatorImpl::~ReplicatorImpl() { Stop(); }

void ReplicatorImpl::AddTarget(ShipperOptions options) {
  shippers_.push_back(std::make_unique<Shipper>(
      world_, *source_, instance_, std::move(options), [this] { Changed(); }));
}

void ReplicatorImpl::AddDetached(TargetStatus status) {
  detached_.push_back(std::move(status));
}

void ReplicatorImpl::ReadFrom(const VolumeConfig& config,
                              const std::string& credentials_file,
                              Volume& volume) {
  copies_ = OpenCopies(world_, config, volume.volume_id(), credentials_file,
                       cancel_reads_);
  hydrator_ =
      std::make_unique<Hydrator>(world_, volume, copies_, HydratorOptions());
  scrubber_ = std::make_unique<Scrubber>(world_, volume,
                                         PlacesOf(volume, copies_, config),
                                         ScrubOptionsOf(config));
}

void ReplicatorImpl::Start() {
  if (hydrator_ != nullptr) hydrator_->Start();
  if (scrubber_ != nullptr) scrubber_->Start();
  started_ = true;
  for (const auto& shipper : shippers_) shipper->Start();
  ReleaseCommits();
  if (!shippers_.empty()) watcher_ = std::thread([this] { Watch(); });
}

void ReplicatorImpl::Stop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.SignalAll();
  if (hydrator_ != nullptr) hydrator_->RequestStop();
  if (scrubber_ != nullptr) scrubber_->RequestStop();
  cancel_reads_->Cancel();
  for (const auto& shipper : shippers_) shipper->RequestStop();
  for (const auto& shipper : shippers_) shipper->Join();
  if (hydrator_ != nullptr) hydrator_->Join();
  if (scrubber_ != nullptr) scrubber_->Join();
  if (watcher_.joinable()) watcher_.join();
}

// The primary need not keep for the targets what all of them can do without.
void ReplicatorImpl::ReleaseCommits() {
  if (source_ == nullptr || !detached_.empty()) return;
  CommitSeq released(std::numeric_limits<uint64_t>::max());
  for (const auto& shipper : shippers_) {
    released = std::min(released, shipper->released());
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
      for (const auto& shipper : shippers_) shipper->Wake();
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
    const std::vector<TargetStatus> all = status();
    for (const TargetStatus& one : all) {
      if (target != "all" && target != one.name) continue;
      known = true;
      const bool lags =
          one.watermark < seq ||
          (one.state != "detached" && one.volume_object < volume_object);
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
  for (const auto& shipper : shippers_) shipper->Nudge();
}

std::vector<TargetStatus> ReplicatorImpl::status() const {
  std::vector<TargetStatus> all;
  for (const auto& shipper : shippers_) all.push_back(shipper->status());
  all.insert(all.end(), detached_.begin(), detached_.end());
  return all;
}

}  // namespace trefoil
