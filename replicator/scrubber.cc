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
    : world_(world),
      volume_(volume),
      places_(std::move(places)),
      options_(options),
      far_since_nanos_(places_.size()),
      far_bytes_(places_.size()) {
  const MutexLock lock(mu_);
  for (const ScrubPlace& place : places_) {
    ledgers_.push_back(
        ScrubLedger::Load(world_.env, LedgerPath(place.copy.name)));
    status_.emplace_back();
    status_.back().name = place.copy.name;
  }
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

std::string Scrubber::LedgerPath(const std::string& name) const {
  return JoinPath(JoinPath(volume_.path(), "scrub"), name);
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
  const MutexLock lock(mu_);
  return status_;
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
  for (size_t i = 0; i < places_.size() && !stopping(); ++i) {
    const bool asked = request > 0 && (far || !places_[i].is_far);
    PassOver(i, asked);
  }
  if (request == 0) return;
  {
    const MutexLock lock(mu_);
    done_ = request;
  }
  changed_.SignalAll();
}

void Scrubber::PassOver(size_t place, bool asked) {
  SetIoPriority(!asked);
  if (places_[place].is_primary) HealMissing(place);
  const auto due = FindDue(place, asked);
  Status ended = due.status();
  int64_t saved = world_.clock.MonotonicNanos();
  for (size_t i = 0; ended.ok() && i < due->size() && !stopping(); ++i) {
    const ObjectItem& object = (*due)[i].object;
    if (!asked && !TakeShare(place, object.size_bytes)) break;
    ended = Verify(place, object);
    if (!asked) Pace(object.size_bytes);
    if (world_.clock.MonotonicNanos() - saved < kSaveNanos) continue;
    SaveLedger(place);
    saved = world_.clock.MonotonicNanos();
  }
  if (due.ok() && !due->empty()) SaveLedger(place);
  const MutexLock lock(mu_);
  ScrubStatus& status = status_[place];
  status.last_error = ended.ok() ? "" : ended.ToString();
  NoteOldest(place);
}

// A pack that the index names and that is not there; unless it never was.
void Scrubber::HealMissing(size_t place) {
  if (FindHydration(world_.env, volume_.path())) return;
  const auto missing = volume_.MissingPacks();
  if (!missing.ok()) return;
  for (const ObjectInfo& object : *missing) {
    if (stopping()) return;
    const Status gone(StatusCode::kNotFound, object.key + ": is missing");
    NoteBad(place, object.key, volume_.Heal(object.key, gone));
  }
}

Result<std::vector<ObjectItem>> Scrubber::List(size_t place) {
  std::vector<ObjectItem> objects;
  for (const char* prefix : {"volume/", "checkpoint/", "commit/", "pack/"}) {
    TREFOIL_TRY(places_[place].copy.store->List(
        prefix, "", [&](const ObjectInfo& info) {
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
Result<std::vector<Scrubber::Due>> Scrubber::FindDue(size_t place, bool asked) {
  TREFOIL_ASSIGN(const auto objects, List(place));
  ScrubLedger& ledger = ledgers_[place];
  NameSet names;
  std::vector<Due> due;
  // So that all is done before the period has passed.
  const int64_t limit =
      world_.clock.WallNanos() - options_.period_nanos / 5 * 4;
  for (const ObjectItem& object : objects) {
    names.insert(object.name);
    const int64_t verified = ledger.VerifiedNanos(object.name);
    if (asked || verified < limit) due.push_back({object, verified});
  }
  ledger.Retain(names);
  std::stable_sort(due.begin(), due.end(), [](const Due& a, const Due& b) {
    return a.verified_nanos < b.verified_nanos;
  });
  const MutexLock lock(mu_);
  status_[place].objects = objects.size();
  status_[place].due = due.size();
  return due;
}

// The damage of one object is not this pass's end; a copy that is away is.
Status Scrubber::Verify(size_t place, const ObjectItem& object) {
  ObjectStore& store = *places_[place].copy.store;
  const Status verified =
      VerifyObjectHash(store, object.key, object.size_bytes);
  const bool is_bad =
      verified.Is(StatusCode::kCorruption) || verified.Is(StatusCode::kIoError);
  if (!verified.ok() && !is_bad) {
    // Garbage collection was quicker.
    return verified.Is(StatusCode::kNotFound) ? OkStatus() : verified;
  }
  if (is_bad) {
    const Status healed = Heal(place, object, verified);
    if (healed.Is(StatusCode::kTrimmed)) return OkStatus();
    NoteBad(place, object.key, healed);
    if (!healed.ok()) return OkStatus();
  }
  ledgers_[place].Verified(object.name, world_.clock.WallNanos());
  const MutexLock lock(mu_);
  status_[place].bytes_verified += object.size_bytes;
  if (status_[place].due > 0) --status_[place].due;
  return OkStatus();
}

Status Scrubber::Heal(size_t place, const ObjectItem& object,
                      const Status& why) {
  if (places_[place].is_primary) return volume_.Heal(object.key, why);
  if (!options_.heals_copies) return why;
  ObjectCopies others;
  for (size_t i = 0; i < places_.size(); ++i) {
    if (i != place) others.push_back(places_[i].copy);
  }
  const auto healed = HealObject(others, object.key, object.size_bytes,
                                 *places_[place].copy.store);
  if (!healed.ok()) return healed.status();
  LogWarning("replicator", "healed {} of {} from {}: {}", object.key,
             places_[place].copy.name, *healed, why.ToString());
  return OkStatus();
}

void Scrubber::NoteBad(size_t place, const std::string& key,
                       const Status& healed) {
  const MutexLock lock(mu_);
  ScrubStatus& status = status_[place];
  if (healed.ok()) {
    ++status.healed;
    std::erase(status.bad, key);
    return;
  }
  if (healed.Is(StatusCode::kTrimmed)) return;
  LogError("replicator", "{} of {} is bad and can't be healed: {}", key,
           status.name, healed.ToString());
  const bool known =
      std::find(status.bad.begin(), status.bad.end(), key) != status.bad.end();
  if (!known && status.bad.size() < kMaxBadKeys) status.bad.push_back(key);
}

void Scrubber::NoteOldest(size_t place) {
  status_[place].oldest_nanos = ledgers_[place].Oldest(status_[place].objects);
}

// Whether today's share of a far copy has so much left; a larger object than
// all of it may begin one.
bool Scrubber::TakeShare(size_t place, uint64_t bytes) {
  if (!places_[place].is_far) return true;
  const int64_t now = world_.clock.MonotonicNanos();
  if (far_bytes_[place] == 0 || now - far_since_nanos_[place] >= kNanosPerDay) {
    far_since_nanos_[place] = now;
    far_bytes_[place] = 0;
  }
  const bool fits = far_bytes_[place] == 0 ||
                    far_bytes_[place] + bytes <= options_.far_bytes_per_day;
  if (fits) far_bytes_[place] += bytes;
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

void Scrubber::SaveLedger(size_t place) {
  const std::string& name = places_[place].copy.name;
  const Status saved = ledgers_[place].Save(world_.env, LedgerPath(name));
  if (!saved.ok()) LogWarning("replicator", "scrub: {}", saved.ToString());
}

}  // namespace trefoil
