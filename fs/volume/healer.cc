// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/healer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "fs/base/log.h"
#include "fs/object/object_format.h"

namespace trefoil {
namespace {

constexpr size_t kMaxThreads = 8;
// Objects that nobody waits for; what does not fit is asked for again later.
constexpr size_t kMaxQueued = 1024;
// Answers that stand for a while.
constexpr size_t kMaxAnswers = 1024;
// How often somebody who waits looks at the clock.
constexpr int64_t kLook = 500'000'000;
constexpr uint64_t kMaxAnswerBytes = 64ULL << 20;

}  // namespace

Healer::Healer(LocalTree& objects, Clock& clock, HealerOptions options)
    : objects_(objects), clock_(clock), options_(options) {}

Healer::~Healer() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mu_);
    stopping_ = true;
    queue_.clear();
    threads.swap(threads_);
  }
  changed_.SignalAll();
  for (std::thread& thread : threads) thread.join();
}

void Healer::SetCopies(ObjectCopies copies) {
  const MutexLock lock(mu_);
  copies_ = std::move(copies);
  while (copies_.empty() && using_copies_ > 0) changed_.Wait(mu_);
}

bool Healer::has_copies() const {
  const MutexLock lock(mu_);
  return !copies_.empty();
}

HealCounts Healer::counts() const {
  const MutexLock lock(mu_);
  HealCounts counts = counts_;
  counts.waiting = waiting_;
  return counts;
}

Healer::JobPointer Healer::Find(const std::string& key, uint64_t size_bytes,
                                const Status& why) {
  JobPointer& job = jobs_[key];
  if (job != nullptr) return job;
  job = std::make_shared<Job>();
  job->key = key;
  job->size_bytes = size_bytes;
  job->why = why;
  queue_.push_back(job);
  // Who was woken for an earlier one still counts as idle.
  if (idle_ < queue_.size() && threads_.size() < kMaxThreads) {
    threads_.emplace_back([this] { Work(); });
  }
  changed_.SignalAll();
  return job;
}

uint64_t Healer::Job::held_bytes() const {
  uint64_t held = bytes != nullptr ? bytes->size() : 0;
  if (damaged == nullptr) return held;
  for (const std::string& one : *damaged) held += one.size();
  return held;
}

// A failure stands for a while, so that a file that is read on and on does not
// ask the copies for each block; bytes that could not be put in place stay as
// long as there is room.
void Healer::ForgetOldAnswers() {
  const int64_t now = clock_.MonotonicNanos();
  for (auto at = answers_.begin(); at != answers_.end();) {
    const Job& job = **at;
    const bool is_old =
        job.bytes == nullptr && now - job.done_nanos >= options_.retry_nanos;
    if (!is_old && answers_.size() <= kMaxAnswers &&
        answer_bytes_ <= kMaxAnswerBytes) {
      ++at;
      continue;
    }
    answer_bytes_ -= job.held_bytes();
    jobs_.erase(job.key);
    at = answers_.erase(at);
  }
}

Result<Healer::Bytes> Healer::Fetch(const std::string& key, uint64_t size_bytes,
                                    const Status& why, Damaged* damaged) {
  JobPointer job;
  {
    const MutexLock lock(mu_);
    if (copies_.empty()) {
      ++counts_.failed;
      return why;
    }
    ForgetOldAnswers();
    const auto known = jobs_.find(key);
    if (known != jobs_.end() && known->second->done) {
      return AnswerOf(*known->second, damaged);
    }
    if (waiting_ >= kMaxWaitingReads) {
      ++counts_.failed;
      return Status(StatusCode::kTimedOut,
                    key + ": too many reads wait for the other copies");
    }
    job = Find(key, size_bytes, why);
  }
  Wait(*job);
  const MutexLock lock(mu_);
  if (!job->done) {
    ++counts_.failed;
    return Status(StatusCode::kTimedOut,
                  key + ": the other copies do not answer");
  }
  return AnswerOf(*job, damaged);
}

Result<Healer::Bytes> Healer::AnswerOf(const Job& job, Damaged* damaged) {
  if (job.status.ok()) return job.bytes;
  if (damaged != nullptr) *damaged = job.damaged;
  return job.status;
}

void Healer::Wait(const Job& job) {
  if (on_wait_) on_wait_(1);
  {
    const MutexLock lock(mu_);
    ++waiting_;
    const int64_t until = clock_.MonotonicNanos() + options_.wait_nanos;
    while (!job.done && !stopping_) {
      const int64_t left = until - clock_.MonotonicNanos();
      if (left <= 0) break;
      changed_.WaitFor(mu_, std::chrono::nanoseconds(std::min(left, kLook)));
    }
    --waiting_;
  }
  if (on_wait_) on_wait_(-1);
}

void Healer::FetchSoon(const std::string& key, uint64_t size_bytes,
                       const Status& why) {
  const MutexLock lock(mu_);
  if (copies_.empty() || queue_.size() >= kMaxQueued) return;
  ForgetOldAnswers();
  Find(key, size_bytes, why);
}

void Healer::Work() {
  for (;;) {
    JobPointer job;
    ObjectCopies copies;
    {
      const MutexLock lock(mu_);
      ++idle_;
      while (queue_.empty() && !stopping_) changed_.Wait(mu_);
      --idle_;
      if (stopping_) return;
      job = queue_.front();
      queue_.pop_front();
      copies = copies_;
      ++using_copies_;
    }
    Outcome outcome;
    const Status status = Run(*job, copies, &outcome);
    copies.clear();
    const MutexLock lock(mu_);
    job->status = status;
    job->bytes = std::move(outcome.bytes);
    job->damaged = std::move(outcome.damaged);
    Finish(job, outcome.in_place);
    --using_copies_;
    changed_.SignalAll();
  }
}

Status Healer::Run(const Job& job, const ObjectCopies& copies,
                   Outcome* outcome) {
  std::string from;
  // Of many readers that met the bad bytes, one may come when it is healed.
  const ObjectCopies here{{"here", std::shared_ptr<ObjectStore>(
                                       std::shared_ptr<void>(), &objects_)}};
  auto healed = FindGoodObject(here, job.key, job.size_bytes, &from);
  if (healed.ok()) {
    outcome->bytes = std::make_shared<const std::string>(std::move(*healed));
    outcome->in_place = true;
    return OkStatus();
  }
  std::vector<std::string> damaged;
  auto good = FindGoodObject(copies, job.key, job.size_bytes, &from, &damaged);
  if (!good.ok() && !damaged.empty()) {
    outcome->damaged =
        std::make_shared<const std::vector<std::string>>(std::move(damaged));
  }
  TREFOIL_TRY(good.status());
  outcome->bytes = std::make_shared<const std::string>(std::move(*good));
  if (options_.read_only) return OkStatus();
  const Status put = PutInPlace(job.key, *outcome->bytes);
  outcome->in_place = put.ok();
  if (put.ok()) {
    NoteGood(job.key, from, job.why);
  } else {
    LogWarning("volume", "{} is good at {} but can't be put in place: {}",
               job.key, from, put.ToString());
  }
  return OkStatus();
}

Status Healer::PutInPlace(const std::string& key, std::string_view bytes) {
  TREFOIL_TRY(CheckRoom(bytes.size()));
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  MemorySource source(bytes, parsed.name);
  return objects_.Put(key, source, PutMode::kReplace);
}

Status Healer::CheckRoom(uint64_t bytes) const {
  if (!options_.has_room || options_.has_room(bytes)) return OkStatus();
  return {StatusCode::kNoSpace,
          "the disk is nearly full, and what is left is for writers"};
}

void Healer::Finish(const JobPointer& job, bool in_place) {
  job->done = true;
  job->done_nanos = clock_.MonotonicNanos();
  if (!job->status.ok()) {
    ++counts_.failed;
    LogError("volume", "{}; {}", job->why.ToString(), job->status.ToString());
  }
  if (in_place) {
    jobs_.erase(job->key);
    return;
  }
  answers_.push_back(job);
  answer_bytes_ += job->held_bytes();
}

void Healer::NoteGood(const std::string& key, const std::string& from,
                      const Status& why) {
  const bool was_missing = why.Is(StatusCode::kNotFound);
  if (!was_missing) {
    LogWarning("volume", "healed {} from {}: {}", key, from, why.ToString());
  }
  const MutexLock lock(mu_);
  ++(was_missing ? counts_.fetched : counts_.healed);
}

Status Healer::Heal(const std::string& key, uint64_t size_bytes,
                    const Status& why) {
  TREFOIL_TRY(CheckRoom(size_bytes).WithContext(key));
  ObjectCopies copies;
  {
    const MutexLock lock(mu_);
    if (copies_.empty() || options_.read_only) return why;
    copies = copies_;
    ++using_copies_;
  }
  const auto healed =
      HealObject(copies, key, size_bytes, objects_,
                 [this](uint64_t bytes) { return CheckRoom(bytes); });
  copies.clear();
  if (healed.ok()) NoteGood(key, *healed, why);
  const MutexLock lock(mu_);
  if (!healed.ok()) ++counts_.failed;
  --using_copies_;
  changed_.SignalAll();
  return healed.status();
}

}  // namespace trefoil
