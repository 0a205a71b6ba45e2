// SPDX-License-Identifier: Apache-2.0
#include "replicator/hydrator.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "fs/base/log.h"
#include "fs/volume/hydration.h"
#include "replicator/upload_pool.h"

namespace trefoil {
namespace {

constexpr uint64_t kSpareBytes = 256ULL << 20;

}  // namespace

Hydrator::Hydrator(World world, Volume& volume, ObjectCopies copies,
                   HydratorOptions options)
    : world_(world),
      volume_(volume),
      options_(std::move(options)),
      copies_(std::move(copies)) {}

Hydrator::~Hydrator() {
  RequestStop();
  Join();
}

void Hydrator::Start() {
  const auto plan = FindHydration(world_.env, volume_.path());
  if (!plan) return;
  {
    const MutexLock lock(mu_);
    status_.active = true;
    status_.objects_total = plan->objects;
    status_.bytes_total = plan->bytes;
  }
  thread_ = std::thread([this] { Run(); });
}

void Hydrator::RequestStop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.SignalAll();
}

void Hydrator::Join() {
  if (thread_.joinable()) thread_.join();
}

void Hydrator::SetCopies(ObjectCopies copies) {
  {
    const MutexLock lock(mu_);
    copies_ = std::move(copies);
  }
  changed_.SignalAll();
}

bool Hydrator::stopping() const {
  const MutexLock lock(mu_);
  return stopping_;
}

HydrationStatus Hydrator::status() const {
  const MutexLock lock(mu_);
  HydrationStatus status = status_;
  status.bytes_missing -= std::min(status.bytes_missing, counted_bytes_);
  status.bytes_per_second = status.active ? meter_.BytesPerSecond() : 0;
  return status;
}

void Hydrator::Run() {
  LowerThreadPriority();
  int64_t pause = options_.pause_min_nanos;
  while (!stopping()) {
    const auto whole = Round();
    if (whole.ok() && *whole) return;
    NoteError(whole.status());
    const MutexLock lock(mu_);
    if (!stopping_) changed_.WaitFor(mu_, std::chrono::nanoseconds(pause));
    pause = std::min(pause * 2, options_.pause_max_nanos);
  }
}

Result<bool> Hydrator::Round() {
  Status first_error;
  ObjectCopies copies;
  {
    const MutexLock lock(mu_);
    copies = copies_;
  }
  for (const ObjectCopy& copy : copies) {
    TREFOIL_ASSIGN(const auto missing, volume_.MissingPacks());
    NoteMissing(missing);
    if (missing.empty()) break;
    const Status fetched = FetchFrom(copy, missing);
    if (stopping()) return false;
    if (!fetched.ok() && first_error.ok()) {
      first_error = fetched.WithContext(copy.name);
    }
  }
  if (!copies.empty()) TREFOIL_TRY(Salvage(copies));
  TREFOIL_ASSIGN(const auto missing, volume_.MissingPacks());
  NoteMissing(missing);
  if (!missing.empty()) {
    TREFOIL_TRY(first_error);
    return false;
  }
  TREFOIL_TRY(EndHydration(world_.env, volume_.path()));
  LogInfo("replicator", "{}: every object is here", volume_.path());
  const MutexLock lock(mu_);
  status_.active = false;
  status_.last_error.clear();
  return true;
}

Status Hydrator::FetchFrom(const ObjectCopy& copy,
                           const std::vector<ObjectInfo>& missing) {
  std::vector<ObjectItem> items;
  for (const ObjectInfo& object : missing) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
    items.push_back({object.key, parsed.name, object.size_bytes});
  }
  if (!HasRoom()) {
    return {StatusCode::kNoSpace,
            "the primary disk is nearly full: what is missing stays with the "
            "other copies until there is room"};
  }
  FetchOptions fetch = options_.fetch;
  fetch.skip_bad = true;
  fetch.stop = [this] { return stopping() || !HasRoom(); };
  fetch.hold = [this] { return volume_.heals().waiting > 0; };
  return FetchObjects(
      *copy.store, volume_.objects(), items, fetch, [this](uint64_t bytes) {
        const MutexLock lock(mu_);
        meter_.Add(bytes - counted_bytes_, world_.clock.MonotonicNanos());
        counted_bytes_ = bytes;
      });
}

Status Hydrator::Salvage(const ObjectCopies& copies) {
  TREFOIL_ASSIGN(const auto missing, volume_.MissingPacks());
  for (const ObjectInfo& pack : missing) {
    if (stopping() || !HasRoom()) break;
    if (salvaged_.contains(pack.key)) continue;
    std::string from;
    std::vector<std::string> damaged;
    const Status good =
        FindGoodObject(copies, pack.key, pack.size_bytes, &from, &damaged)
            .status();
    // What is whole by now, or may be at a copy that does not answer, is
    // fetched in another round.
    if (!good.Is(StatusCode::kCorruption)) continue;
    TREFOIL_TRY(volume_.Salvage(pack.key, damaged).status());
    salvaged_.insert(pack.key);
  }
  return OkStatus();
}

// Room that writers may use is not taken to the last byte (O8).
bool Hydrator::HasRoom() {
  const auto space = volume_.Space();
  return !space.ok() || space->available_bytes > kSpareBytes;
}

void Hydrator::NoteMissing(const std::vector<ObjectInfo>& missing) {
  const MutexLock lock(mu_);
  counted_bytes_ = 0;
  status_.objects_missing = missing.size();
  status_.bytes_missing = 0;
  for (const ObjectInfo& object : missing) {
    status_.bytes_missing += object.size_bytes;
  }
  // Of a damaged plan.
  status_.objects_total =
      std::max(status_.objects_total, status_.objects_missing);
  status_.bytes_total = std::max(status_.bytes_total, status_.bytes_missing);
}

void Hydrator::NoteError(const Status& error) {
  const MutexLock lock(mu_);
  if (stopping_ || error.ok()) return;
  status_.last_error = error.ToString();
  LogWarning("replicator", "{}: hydrating: {}", volume_.path(),
             status_.last_error);
}

}  // namespace trefoil
