// SPDX-License-Identifier: Apache-2.0
#include "replicator/scrubber.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "fs/base/log.h"
#include "fs/object/object_reader.h"
#include "fs/volume/hydration.h"
#include "replicator/audit.h"
#include "replicator/upload_pool.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kNanosPerDay = 24 * 3600 * kNanosPerSecond;
// The ledger is saved this often while a pass goes on.
constexpr int64_t kSaveNanos = 60 * kNanosPerSecond;
// Named in the status; the rest is counted.
constexpr size_t kMaxBadKeys = 20;

// Idle: reads when nobody else does (ioprio_set(2); no library has it).
void SetIoPriority(bool idle) {
  constexpr int kThisThread = 0;
  constexpr int kWhoProcess = 1;
  constexpr int kIdleClass = 3 << 13;
  constexpr int kUsual = 0;  // as its CPU priority says
  if (syscall(SYS_ioprio_set, kWhoProcess, kThisThread,
              idle ? kIdleClass : kUsual) != 0) {
    LogInfo("replicator", "scrub: idle I/O priority is not to be had here");
  }
}

}  // namespace

Scrubber::Scrubber(World world, Volume& volume, std::vector<ScrubPlace> places,
                   ScrubOptions options)
    : world_(world), volume_(volume), options_(options) {
  SetPlaces(std::move(places));
}

Scrubber::~Scrubber() {
  RequestStop();
  Join();
}

void Scrubber::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Scrubber::RequestStop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.SignalAll();
}

void Scrubber::Join() {
  if (thread_.joinable()) thread_.join();
}

bool Scrubber::stopping() const {
  const MutexLock lock(mu_);
  return stopping_;
}

void Scrubber::SetPlaces(std::vector<ScrubPlace> places) {
  Places next;
  const MutexLock lock(mu_);
  for (ScrubPlace& place : places) {
    const auto known =
        std::find_if(places_.begin(), places_.end(), [&](const auto& other) {
          return other->copy.store == place.copy.store;
        });
    if (known != places_.end()) {
      next.push_back(*known);
      continue;
    }
    next.push_back(std::make_shared<Place>(std::move(place)));
    next.back()->status.name = next.back()->copy.name;
  }
  places_ = std::move(next);
}

Scrubber::Places Scrubber::places() const {
  const MutexLock lock(mu_);
  return places_;
}

// Names of targets have no '.', and a disk is named by hex digits.
std::string Scrubber::LedgerPath(const Place& place) const {
  const std::string& disk = place.ledger_disk;
  return JoinPath(
      JoinPath(volume_.path(), "scrub"),
      disk.empty() ? place.copy.name : place.copy.name + "." + disk);
}

uint64_t Scrubber::Request(bool far) {
  uint64_t request = 0;
  {
    const MutexLock lock(mu_);
    request = ++requested_;
    far_requested_ = far_requested_ || far;
  }
  changed_.SignalAll();
  return request;
}

bool Scrubber::WaitFor(uint64_t request, int64_t timeout_nanos) {
  const int64_t until = world_.clock.MonotonicNanos() + timeout_nanos;
  const MutexLock lock(mu_);
  while (done_ < request) {
    const int64_t left = until - world_.clock.MonotonicNanos();
    if (left <= 0 || stopping_) return false;
    changed_.WaitFor(mu_, std::chrono::nanoseconds(left));
  }
  return true;
}

std::vector<ScrubStatus> Scrubber::status() const {
  std::vector<ScrubStatus> all;
  const MutexLock lock(mu_);
  for (const auto& place : places_) all.push_back(place->status);
  return all;
}

void Scrubber::Run() {
  LowerThreadPriority();
  int64_t pause = options_.first_look_nanos;
  for (;;) {
    {
      const MutexLock lock(mu_);
      if (!stopping_ && requested_ == done_) {
        changed_.WaitFor(mu_, std::chrono::nanoseconds(pause));
      }
      if (stopping_) return;
      // Somebody else's signal, or nothing to do by itself.
      if (options_.period_nanos == 0 && requested_ == done_) continue;
    }
    Pass();
    pause = options_.look_nanos;
  }
}

void Scrubber::Pass() {
  uint64_t request = 0;
  bool far = false;
  {
    const MutexLock lock(mu_);
    request = requested_ > done_ ? requested_ : 0;
    far = std::exchange(far_requested_, false);
  }
  for (const auto& place : places()) {
    if (stopping()) break;
    PassOver(*place, request > 0 && (far || !place->is_far));
  }
  if (request == 0) return;
  {
    const MutexLock lock(mu_);
    done_ = request;
  }
  changed_.SignalAll();
}

void Scrubber::PassOver(Place& place, bool asked) {
  SetIoPriority(!asked);
  LoadLedger(place);
  if (place.is_primary) HealMissing(place);
  const Status ended = PassOverDue(place, asked);
  const MutexLock lock(mu_);
  place.status.last_error = ended.ok() ? "" : ended.ToString();
  place.status.oldest_nanos = place.ledger.Oldest(place.status.objects);
}

Status Scrubber::PassOverDue(Place& place, bool asked) {
  TREFOIL_ASSIGN(const std::vector<Due> due, FindDue(place, asked));
  Status ended;
  int64_t saved = world_.clock.MonotonicNanos();
  for (size_t i = 0; ended.ok() && i < due.size() && !stopping(); ++i) {
    const ObjectItem& object = due[i].object;
    if (!asked && !TakeShare(place, object.size_bytes)) break;
    ended = Verify(place, object);
    if (!asked) Pace(object.size_bytes);
    if (world_.clock.MonotonicNanos() - saved < kSaveNanos) continue;
    SaveLedger(place);
    saved = world_.clock.MonotonicNanos();
  }
  if (!due.empty()) SaveLedger(place);
  return ended;
}

// A pack that the index names and that is not there; unless it never was.
void Scrubber::HealMissing(Place& place) {
  if (FindHydration(world_.env, volume_.path())) return;
  const auto missing = volume_.MissingPacks();
  if (!missing.ok()) return;
  for (const ObjectInfo& object : *missing) {
    if (stopping()) return;
    const Status gone(StatusCode::kNotFound, object.key + ": is missing");
    NoteBad(place, object.key, volume_.Heal(object.key, gone));
  }
}

Result<std::vector<ObjectItem>> Scrubber::List(Place& place) {
  std::vector<ObjectItem> objects;
  for (const char* prefix : {"volume/", "checkpoint/", "commit/", "pack/"}) {
    TREFOIL_TRY(place.copy.store->List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (parsed.ok()) {
        objects.push_back({info.key, parsed->name, info.size_bytes});
      }
      return !stopping();
    }));
  }
  if (!stopping()) return objects;
  return Status(StatusCode::kUnavailable, "stopping");
}

// Oldest first.
Result<std::vector<Scrubber::Due>> Scrubber::FindDue(Place& place, bool asked) {
  TREFOIL_ASSIGN(const auto objects, List(place));
  VerifiedLedger& ledger = place.ledger;
  NameSet names;
  std::vector<Due> due;
  // So that all is done before the period has passed.
  const int64_t limit =
      world_.clock.WallNanos() - options_.period_nanos / 5 * 4;
  for (const ObjectItem& object : objects) {
    names.insert(object.name);
    const int64_t verified =
        ledger.VerifiedNanos(object.name, object.size_bytes);
    if (asked || verified < limit) due.push_back({object, verified});
  }
  ledger.Retain([&](const Hash256& name) { return names.contains(name); });
  std::stable_sort(due.begin(), due.end(), [](const Due& a, const Due& b) {
    return a.verified_nanos < b.verified_nanos;
  });
  const MutexLock lock(mu_);
  // What was bad on a target and is gone is found by its shipper, if at all.
  std::erase_if(place.status.bad, [&](const std::string& key) {
    const auto parsed = ParseObjectKey(key);
    return !place.is_primary && parsed.ok() && !names.contains(parsed->name);
  });
  place.status.objects = objects.size();
  place.status.due = due.size();
  return due;
}

// The damage of one object is not this pass's end; a copy that is away is.
Status Scrubber::Verify(Place& place, const ObjectItem& object) {
  ObjectStore& store = *place.copy.store;
  const Status verified = VerifyOnMedium(store, object.key, object.size_bytes);
  const bool is_bad =
      verified.Is(StatusCode::kCorruption) || verified.Is(StatusCode::kIoError);
  const bool is_gone = verified.Is(StatusCode::kNotFound);
  if (!verified.ok() && !is_bad && !is_gone) return verified;
  // Somebody else healed it, or garbage collection was quicker.
  if (!is_bad) NoteGone(place, object.key);
  if (is_gone) return OkStatus();
  if (is_bad) {
    const Status healed = Heal(place, object, verified);
    NoteBad(place, object.key, healed);
    if (!healed.ok()) return OkStatus();
  }
  place.ledger.Verified(object.name, object.size_bytes,
                        world_.clock.WallNanos());
  const MutexLock lock(mu_);
  place.status.bytes_verified += object.size_bytes;
  if (place.status.due > 0) --place.status.due;
  return OkStatus();
}

Status Scrubber::Heal(Place& place, const ObjectItem& object,
                      const Status& why) {
  if (place.is_primary) return volume_.Heal(object.key, why);
  if (!options_.heals_copies) return why;
  ObjectCopies others;
  for (const auto& other : places()) {
    if (other.get() != &place) others.push_back(other->copy);
  }
  // A damaged object may have another size than the good ones.
  const auto healed = HealObject(others, object.key, 0, *place.copy.store);
  if (!healed.ok()) return healed.status();
  LogWarning("replicator", "healed {} of {} from {}: {}", object.key,
             place.copy.name, *healed, why.ToString());
  return OkStatus();
}

void Scrubber::NoteBad(Place& place, const std::string& key,
                       const Status& healed) {
  if (healed.Is(StatusCode::kTrimmed)) return NoteGone(place, key);
  const MutexLock lock(mu_);
  ScrubStatus& status = place.status;
  if (healed.ok()) {
    ++status.healed;
    std::erase(status.bad, key);
    return;
  }
  LogError("replicator", "{} of {} is bad and can't be healed: {}", key,
           status.name, healed.ToString());
  const bool known =
      std::find(status.bad.begin(), status.bad.end(), key) != status.bad.end();
  if (!known && status.bad.size() < kMaxBadKeys) status.bad.push_back(key);
}

// Its damage, if it was known, is no more.
void Scrubber::NoteGone(Place& place, const std::string& key) {
  const MutexLock lock(mu_);
  std::erase(place.status.bad, key);
}

// Whether today's share of a far copy has so much left; a larger object than
// all of it may begin one.
bool Scrubber::TakeShare(Place& place, uint64_t bytes) {
  if (!place.is_far) return true;
  const int64_t now = world_.clock.MonotonicNanos();
  if (place.far_bytes == 0 || now - place.far_since_nanos >= kNanosPerDay) {
    place.far_since_nanos = now;
    place.far_bytes = 0;
  }
  const bool fits = place.far_bytes == 0 ||
                    place.far_bytes + bytes <= options_.far_bytes_per_day;
  if (fits) place.far_bytes += bytes;
  return fits;
}

void Scrubber::Pace(uint64_t bytes) {
  if (options_.bytes_per_second == 0) return;
  const auto nanos = static_cast<int64_t>(
      static_cast<double>(bytes) /
      static_cast<double>(options_.bytes_per_second) * 1e9);
  const int64_t until = world_.clock.MonotonicNanos() + nanos;
  const MutexLock lock(mu_);
  // A request is in a hurry.
  while (!stopping_ && requested_ == done_) {
    const int64_t left = until - world_.clock.MonotonicNanos();
    if (left <= 0) return;
    changed_.WaitFor(mu_, std::chrono::nanoseconds(left));
  }
}

void Scrubber::LoadLedger(Place& place) {
  const std::string disk = place.disk ? place.disk() : "";
  if (place.has_ledger && disk == place.ledger_disk) return;
  place.ledger_disk = disk;
  place.ledger = VerifiedLedger::Load(
      world_.env, LedgerPath(place), place.copy.store->Describe() + " " + disk);
  place.has_ledger = true;
  // What earlier mounts read of a far copy counts as of this day.
  place.far_since_nanos = world_.clock.MonotonicNanos();
  place.far_bytes =
      place.ledger.BytesSince(world_.clock.WallNanos() - kNanosPerDay);
  const MutexLock lock(mu_);
  place.status.bad.clear();
}

void Scrubber::SaveLedger(Place& place) {
  const Places now = places();
  const bool is_removed =
      std::none_of(now.begin(), now.end(),
                   [&](const auto& other) { return other.get() == &place; });
  if (is_removed) return;
  // Another disk may have taken the place while this one was read.
  if (place.disk && place.disk() != place.ledger_disk) {
    place.has_ledger = false;
    return;
  }
  const Status saved = place.ledger.Save(world_.env, LedgerPath(place));
  if (!saved.ok()) LogWarning("replicator", "scrub: {}", saved.ToString());
}

}  // namespace trefoil
