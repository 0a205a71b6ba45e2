// SPDX-License-Identifier: Apache-2.0
// The targets of a Replicator, which come and go while it runs.
#include <algorithm>
#include <utility>

#include "replicator/replicator_impl.h"
#include "replicator/store/target_url.h"
#include "replicator/target_opener.h"

namespace trefoil {

Result<ShipperOptions> ReplicatorImpl::ShipperOptionsOf(
    const TargetSettings& settings) {
  ShipperOptions shipper;
  shipper.name = settings.name;
  shipper.url = settings.url;
  shipper.state_path = TargetStatePath(volume_.path(), settings.name);
  shipper.open = [=, world = world_, id = volume_.volume_id(),
                  credentials = credentials_file_,
                  path = volume_.path()](std::shared_ptr<CancelToken> cancel)
      -> Result<std::unique_ptr<ObjectStore>> {
    TREFOIL_ASSIGN(auto store, OpenVolumeTarget(settings, credentials, id,
                                                world, std::move(cancel)));
    TREFOIL_TRY(CheckNotForgotten(world.env, path, settings, *store));
    return store;
  };
  shipper.store_decides = StoreDecides(settings);
  shipper.removable = IsRemovable(settings);
  if (shipper.removable) shipper.disk_of = DiskOf;
  shipper.space_of = SpaceOf;
  shipper.claim_base = claim_base_;
  shipper.tidy = TidyTarget;
  TREFOIL_ASSIGN(shipper.gc_grace_nanos, GraceOf(settings));
  return shipper;
}

Result<std::shared_ptr<ReplicatorImpl::Target>> ReplicatorImpl::MakeTarget(
    const TargetSettings& settings) {
  // What can't be read now can't be read later.
  TREFOIL_TRY(ParseTargetUrl(settings.url).status());
  TREFOIL_TRY(ParseTargetOptions(settings.options).status());
  TREFOIL_ASSIGN(ShipperOptions shipper, ShipperOptionsOf(settings));
  auto target = std::make_shared<Target>();
  target->settings = settings;
  target->copy =
      OpenCopy({world_, volume_.volume_id(), credentials_file_, volume_.path()},
               settings, std::make_shared<CancelToken>());
  if (is_detached_) {
    target->last_known = LastKnown(world_.env, volume_.path(), settings);
    target->last_known.state = "detached";
  } else {
    target->shipper = std::make_unique<Shipper>(
        world_, *source_, instance_, std::move(shipper), [this] { Changed(); });
  }
  return target;
}

Status ReplicatorImpl::AddConfigured(const TargetSettings& settings) {
  TREFOIL_ASSIGN(auto target, MakeTarget(settings));
  {
    const MutexLock lock(mu_);
    targets_.push_back(std::move(target));
  }
  UseCopies();
  return OkStatus();
}

Status ReplicatorImpl::AddTarget(const TargetSettings& settings) {
  if (!started_) {
    return {StatusCode::kReadOnly, "the volume is mounted without shipping"};
  }
  const MutexLock changing(changes_mu_);
  TREFOIL_ASSIGN(const auto target, MakeTarget(settings));
  {
    const MutexLock lock(mu_);
    if (stopping_) return {StatusCode::kUnavailable, "unmounting"};
    for (const auto& other : targets_) {
      if (other->settings.name != settings.name) continue;
      return {StatusCode::kAlreadyExists,
              "there is a target " + settings.name + " already"};
    }
    targets_.push_back(target);
  }
  ReleaseCommits();
  if (target->shipper) target->shipper->Start();
  UseCopies();
  Changed();
  return OkStatus();
}

Status ReplicatorImpl::RemoveTarget(const std::string& name) {
  const MutexLock changing(changes_mu_);
  std::shared_ptr<Target> target;
  {
    const MutexLock lock(mu_);
    const auto found = std::find_if(
        targets_.begin(), targets_.end(),
        [&](const auto& other) { return other->settings.name == name; });
    if (found == targets_.end()) {
      return {StatusCode::kNotFound, "no target is named " + name};
    }
    target = *found;
    targets_.erase(found);
  }
  // Whoever still reads from it is told so from now on.
  target->copy->Close();
  if (target->shipper) {
    target->shipper->RequestStop();
    target->shipper->Join();
  }
  UseCopies();
  ReleaseCommits();
  Changed();
  return ForgetTarget(world_.env, volume_.path(), name);
}

// The shipper is the only one who writes its state: it ends, and another one
// begins with what is left. Nobody misses it: the disk is away.
Result<TargetDisk> ReplicatorImpl::ForgetDisk(const std::string& name,
                                              const std::string& disk) {
  const MutexLock changing(changes_mu_);
  std::shared_ptr<Target> target;
  for (const auto& other : targets()) {
    if (other->settings.name == name) target = other;
  }
  if (target == nullptr) {
    return Status(StatusCode::kNotFound, "no target is named " + name);
  }
  if (target->shipper) {
    target->shipper->RequestStop();
    target->shipper->Join();
  }
  auto forgotten = trefoil::ForgetDisk(world_.env, volume_.path(), name, disk,
                                       DiskIn(target->settings, world_.env));
  TREFOIL_ASSIGN(const auto next, MakeTarget(target->settings));
  {
    const MutexLock lock(mu_);
    const auto at = std::find(targets_.begin(), targets_.end(), target);
    if (at != targets_.end()) *at = next;
    if (stopping_) return forgotten;
  }
  if (next->shipper && started_) next->shipper->Start();
  UseCopies();
  Changed();
  return forgotten;
}

ReplicatorImpl::Targets ReplicatorImpl::targets() const {
  const MutexLock lock(mu_);
  return targets_;
}

// The nearer first.
ObjectCopies ReplicatorImpl::copies() const {
  Targets all = targets();
  std::stable_partition(all.begin(), all.end(), [](const auto& target) {
    return IsRemovable(target->settings);
  });
  ObjectCopies copies;
  for (const auto& target : all) {
    copies.push_back({target->settings.name, target->copy});
  }
  return copies;
}

// The primary first.
std::vector<ScrubPlace> ReplicatorImpl::places() const {
  // The volume's own tree, borrowed.
  const std::shared_ptr<ObjectStore> primary(std::shared_ptr<ObjectStore>(),
                                             &volume_.objects());
  std::vector<ScrubPlace> places = {{{"primary", primary}, true, false}};
  for (const ObjectCopy& copy : copies()) {
    ScrubPlace place{copy, false, true};
    for (const auto& target : targets()) {
      if (target->copy != copy.store) continue;
      place.is_far = !IsRemovable(target->settings);
      if (place.is_far) continue;
      place.disk = [this, settings = target->settings] {
        return DiskIn(settings, world_.env);
      };
    }
    places.push_back(std::move(place));
  }
  return places;
}

void ReplicatorImpl::UseCopies() {
  const ObjectCopies present = copies();
  hydrator_.SetCopies(present);
  scrubber_.SetPlaces(places());
  if (started_) volume_.SetCopies(present);
}

Status ForgetTarget(Env& env, const std::string& volume,
                    const std::string& target_name) {
  const auto remove = [&](const std::string& path) -> Status {
    const Status removed = env.Remove(path);
    if (removed.Is(StatusCode::kNotFound)) return OkStatus();
    TREFOIL_TRY(removed);
    return env.SyncDir(DirName(path));
  };
  TREFOIL_TRY(remove(TargetStatePath(volume, target_name)));
  const std::string ledgers = JoinPath(volume, "scrub");
  const auto names = env.List(ledgers);
  if (names.status().Is(StatusCode::kNotFound)) return OkStatus();
  TREFOIL_TRY(names.status());
  for (const DirEntry& entry : *names) {
    const bool is_its =
        entry.name == target_name || entry.name.starts_with(target_name + ".");
    if (is_its) TREFOIL_TRY(remove(JoinPath(ledgers, entry.name)));
  }
  return OkStatus();
}

}  // namespace trefoil
