// SPDX-License-Identifier: Apache-2.0
// InlineEnv: a rocksdb::Env without threads and without time, for an Env that
// is single_threaded(). What RocksDB wants done in the background waits in a
// queue until somebody runs it, so that flushes and compactions happen when
// they are asked for, and the same calls give the same files.
//
// Thread rule: as rocksdb::Env; RunJobs by one thread at a time, which holds
// nothing that RocksDB needs.
#pragma once

#include <rocksdb/env.h>

#include <deque>
#include <memory>
#include <string>

#include "fs/base/mutex.h"

namespace trefoil {

class InlineEnv final : public rocksdb::EnvWrapper {
 public:
  // All files are `files`'.
  explicit InlineEnv(const std::shared_ptr<rocksdb::FileSystem>& files);

  // Runs what waits, and what that asks for, up to `most` jobs. Returns how
  // many ran.
  size_t RunJobs(size_t most);

  const char* Name() const override { return "TrefoilInlineEnv"; }
  void Schedule(void (*function)(void*), void* argument, Priority priority,
                void* tag, void (*unschedule)(void*)) override;
  int UnSchedule(void* tag, Priority priority) override;
  void StartThread(void (*function)(void*), void* argument) override;
  void WaitForJoin() override {}
  unsigned int GetThreadPoolQueueLen(Priority priority) const override;
  void SetBackgroundThreads(int /*number*/, Priority /*priority*/) override {}
  int GetBackgroundThreads(Priority /*priority*/) override { return 1; }
  void IncBackgroundThreadsIfNeeded(int /*number*/,
                                    Priority /*priority*/) override {}
  void LowerThreadPoolIOPriority(Priority /*priority*/) override {}
  std::string GenerateUniqueId() override;

 private:
  struct Job {
    void (*function)(void*) = nullptr;
    void* argument = nullptr;
    Priority priority = LOW;
    void* tag = nullptr;
    void (*unschedule)(void*) = nullptr;
  };

  mutable Mutex mu_;  // a leaf: not held while a job runs
  std::deque<Job> jobs_ GUARDED_BY(mu_);
};

}  // namespace trefoil
