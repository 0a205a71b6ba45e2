// SPDX-License-Identifier: Apache-2.0
#include "fs/index/rocksdb_inline_env.h"

#include <rocksdb/system_clock.h>

#include <atomic>
#include <vector>

namespace trefoil {
namespace {

// A clock that counts how often it was looked at. Nobody sleeps by it.
class CountingClock final : public rocksdb::SystemClockWrapper {
 public:
  CountingClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}

  const char* Name() const override { return "TrefoilCountingClock"; }
  uint64_t NowMicros() override { return ++looks_; }
  uint64_t NowNanos() override { return NowMicros() * 1000; }
  uint64_t CPUMicros() override { return 0; }
  uint64_t CPUNanos() override { return 0; }
  void SleepForMicroseconds(int /*micros*/) override {}
  rocksdb::Status GetCurrentTime(int64_t* unix_time) override {
    constexpr int64_t kSomeTime = 1'750'000'000;
    *unix_time = kSomeTime;
    return rocksdb::Status::OK();
  }

 private:
  std::atomic<uint64_t> looks_{0};
};

}  // namespace

InlineEnv::InlineEnv(const std::shared_ptr<rocksdb::FileSystem>& files)
    : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
  file_system_ = files;
  system_clock_ = std::make_shared<CountingClock>();
}

size_t InlineEnv::RunJobs(size_t most) {
  size_t ran = 0;
  for (; ran < most; ++ran) {
    Job job;
    {
      const MutexLock lock(mu_);
      if (jobs_.empty()) break;
      job = jobs_.front();
      jobs_.pop_front();
    }
    job.function(job.argument);
  }
  return ran;
}

void InlineEnv::Schedule(void (*function)(void*), void* argument,
                         Priority priority, void* tag,
                         void (*unschedule)(void*)) {
  const MutexLock lock(mu_);
  jobs_.push_back({function, argument, priority, tag, unschedule});
}

int InlineEnv::UnSchedule(void* tag, Priority priority) {
  std::vector<Job> removed;
  {
    const MutexLock lock(mu_);
    std::deque<Job> kept;
    for (const Job& job : jobs_) {
      const bool matches = job.tag == tag && job.priority == priority;
      if (matches) {
        removed.push_back(job);
      } else {
        kept.push_back(job);
      }
    }
    jobs_.swap(kept);
  }
  for (const Job& job : removed) {
    if (job.unschedule != nullptr) job.unschedule(job.argument);
  }
  return static_cast<int>(removed.size());
}

void InlineEnv::StartThread(void (*function)(void*), void* argument) {
  Schedule(function, argument, LOW, nullptr, nullptr);
}

unsigned int InlineEnv::GetThreadPoolQueueLen(Priority priority) const {
  const MutexLock lock(mu_);
  unsigned int length = 0;
  for (const Job& job : jobs_) length += job.priority == priority ? 1 : 0;
  return length;
}

// Tells databases apart; there is never more than one of a directory's.
std::string InlineEnv::GenerateUniqueId() { return "trefoil-single-threaded"; }

}  // namespace trefoil
