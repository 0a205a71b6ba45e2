// SPDX-License-Identifier: Apache-2.0
// What a shipper says of itself, and the file that remembers it.
#include <algorithm>

#include "fs/base/log.h"
#include "replicator/shipper.h"

namespace trefoil {

namespace {

constexpr std::string_view kTag = "replicator";

std::string StateOf(const Status& error, bool removable) {
  switch (error.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kTimedOut:
      return removable ? "not there" : "unreachable";
    case StatusCode::kNoSpace:
      return "full";
    case StatusCode::kPermissionDenied:
      return "refused";
    case StatusCode::kFenced:
      return "fenced";
    default:
      return "failing";
  }
}

}  // namespace

TargetStatus Shipper::status() const {
  const CommitSeq head = source_.head().seq;
  const uint64_t rate = meter_.BytesPerSecond();
  const MutexLock lock(mu_);
  TargetStatus status = state_.status;
  status.disks = state_.Disks(disk_is_in_);
  status.space = space_;
  status.bytes_per_second = rate;
  status.seen = looks_done_ == looks_wanted_;
  if (status.state == "up to date" &&
      (status.watermark < head || !status.seen)) {
    status.state = "catching up";
  }
  return status;
}

// A file that can't be read now is not one that is lost: taken for lost, the
// claims that it remembers would be a stranger's.
Status Shipper::LoadState() {
  auto loaded = LoadTargetState(world_.env, options_.state_path);
  const bool is_lost = loaded.status().Is(StatusCode::kNotFound) ||
                       loaded.status().Is(StatusCode::kCorruption);
  if (!loaded.ok() && !is_lost) return loaded.status();
  state_is_loaded_ = true;
  if (loaded.status().Is(StatusCode::kCorruption)) {
    LogWarning(kTag, "{}: {}; looking at the target instead", options_.name,
               loaded.status().ToString());
  }
  const MutexLock lock(mu_);
  if (loaded.ok()) state_ = std::move(*loaded);
  state_.status.name = options_.name;
  state_.status.url = options_.url;
  state_.status.state = "catching up";
  // Until the target was looked at, this says best what waits.
  backlog_.Reset(state_.status.watermark, {});
  return OkStatus();
}

void Shipper::SetState(std::string_view state) {
  {
    const MutexLock lock(mu_);
    if (state_.status.state == state) return;
    state_.status.state = state;
    dirty_ = true;
  }
  on_change_();
}

void Shipper::SetWatermark(const CommitRef& commit, const std::string& key) {
  watermark_key_ = key;
  {
    const MutexLock lock(mu_);
    state_.status.watermark = commit.seq;
    state_.status.watermark_time_nanos = commit.time_nanos;
    state_.watermark_generation = commit.generation;
    state_.watermark_name = commit.name;
    dirty_ = true;
  }
  on_change_();
}

CommitRef Shipper::Watermark() const {
  const MutexLock lock(mu_);
  CommitRef commit;
  commit.seq = state_.status.watermark;
  commit.generation = state_.watermark_generation;
  commit.name = state_.watermark_name;
  commit.time_nanos = state_.status.watermark_time_nanos;
  return commit;
}

void Shipper::SetVolumeObject(uint64_t number) {
  {
    const MutexLock lock(mu_);
    if (state_.status.volume_object == number) return;
    state_.status.volume_object = number;
    dirty_ = true;
  }
  on_change_();
}

void Shipper::SetReleased(CommitSeq released) {
  {
    const MutexLock lock(mu_);
    if (released_ == released) return;
    released_ = released;
  }
  on_change_();
}

CommitSeq Shipper::released() const {
  const MutexLock lock(mu_);
  return released_;
}

void Shipper::NoteHeld(uint64_t bytes) {
  const MutexLock lock(mu_);
  ++state_.status.objects_held;
  state_.status.bytes_held += bytes;
  dirty_ = true;
}

void Shipper::NoteDeleted(uint64_t bytes) {
  const MutexLock lock(mu_);
  TargetStatus& status = state_.status;
  status.objects_held -= std::min<uint64_t>(status.objects_held, 1);
  status.bytes_held -= std::min(status.bytes_held, bytes);
  dirty_ = true;
}

// By the shipper's own thread: a medium may let one wait.
void Shipper::NoteSpace() {
  if (!options_.space_of) return;
  const SpaceInfo space = options_.space_of(*store_);
  const MutexLock lock(mu_);
  space_ = space;
}

void Shipper::NoteError(const Status& error) {
  std::string state = StateOf(error, options_.removable);
  bool is_news = false;
  {
    const MutexLock lock(mu_);
    is_news = state_.status.last_error != error.message();
    state_.status.state = state;
    state_.status.last_error = error.message();
    state_.status.last_error_time_nanos = world_.clock.WallNanos();
    dirty_ = true;
  }
  if (is_news) {
    LogWarning(kTag, "target {} is {}: {}", options_.name, state,
               error.message());
  }
  on_change_();
}

void Shipper::NoteSuccess() {
  progressed_ = true;
  bool is_news = false;
  {
    const MutexLock lock(mu_);
    is_news = !state_.status.last_error.empty();
    if (!is_news) return;
    state_.status.last_error.clear();
    state_.status.last_error_time_nanos = 0;
    dirty_ = true;
  }
  LogInfo(kTag, "target {} works again", options_.name);
}

void Shipper::NoteComplete() {
  // A save costs the primary disk a sync.
  constexpr int64_t kSaveNanos = 600'000'000'000;
  const int64_t now = world_.clock.WallNanos();
  const MutexLock lock(mu_);
  if (now - state_.status.complete_nanos > kSaveNanos) dirty_ = true;
  state_.status.complete_nanos = now;
}

uint64_t Shipper::looks_wanted() const {
  const MutexLock lock(mu_);
  return looks_wanted_;
}

void Shipper::NoteLook(uint64_t look) {
  {
    const MutexLock lock(mu_);
    if (looks_done_ == look) return;
    looks_done_ = look;
  }
  on_change_();
}

void Shipper::NoteNotice(const std::string& notice) {
  {
    const MutexLock lock(mu_);
    state_.status.notice = notice;
    state_.status.notice_time_nanos = world_.clock.WallNanos();
    dirty_ = true;
  }
  LogWarning(kTag, "target {}: {}", options_.name, notice);
  on_change_();
}

void Shipper::PublishBacklog() {
  const MutexLock lock(mu_);
  TargetStatus& status = state_.status;
  if (status.objects_waiting == backlog_.objects_waiting() &&
      status.bytes_waiting == backlog_.bytes_waiting()) {
    return;
  }
  status.objects_waiting = backlog_.objects_waiting();
  status.bytes_waiting = backlog_.bytes_waiting();
  dirty_ = true;
}

Status Shipper::SaveState() {
  if (!state_is_loaded_) return OkStatus();
  TargetState state;
  {
    const MutexLock lock(mu_);
    state = state_;
    dirty_ = false;
  }
  state.status.bytes_per_second = meter_.BytesPerSecond();
  saved_nanos_ = world_.clock.MonotonicNanos();
  return SaveTargetState(world_.env, options_.state_path, state);
}

void Shipper::SaveStateIfDue() {
  const int64_t age = world_.clock.MonotonicNanos() - saved_nanos_;
  if (age < options_.save_nanos && !stopping()) return;
  {
    const MutexLock lock(mu_);
    if (!dirty_) return;
  }
  const Status saved = SaveState();
  if (saved.ok()) return;
  // The file is a memory, not the truth: what it lacks is found on the target.
  LogWarning(kTag, "target {}: {}", options_.name, saved.ToString());
}

}  // namespace trefoil
