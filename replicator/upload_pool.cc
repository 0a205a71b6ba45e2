// SPDX-License-Identifier: Apache-2.0
#include "replicator/upload_pool.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace trefoil {

namespace {

constexpr int kNiceness = 10;

}  // namespace

void LowerThreadPriority() {
  // On Linux a nice value belongs to a thread. Failing to get it is harmless.
  static_cast<void>(
      setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness));
}

UploadPool::UploadPool(int threads, Upload upload,
                       std::function<void()> on_done)
    : upload_(std::move(upload)), on_done_(std::move(on_done)) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

UploadPool::~UploadPool() {
  {
    const MutexLock lock(mu_);
    queue_.clear();
    stopping_ = true;
  }
  changed_.SignalAll();
  for (std::thread& thread : threads_) thread.join();
}

void UploadPool::Submit(ObjectItem object) {
  {
    const MutexLock lock(mu_);
    queue_.push_back(std::move(object));
  }
  changed_.SignalAll();
  if (threads_.empty()) RunNext();
}

std::vector<UploadPool::Done> UploadPool::TakeDone() {
  const MutexLock lock(mu_);
  return std::exchange(done_, {});
}

size_t UploadPool::pending() const {
  const MutexLock lock(mu_);
  return queue_.size() + running_;
}

void UploadPool::DropQueued() {
  const MutexLock lock(mu_);
  queue_.clear();
}

void UploadPool::WaitIdle() {
  const MutexLock lock(mu_);
  while (!queue_.empty() || running_ > 0) changed_.Wait(mu_);
}

void UploadPool::Work() {
  LowerThreadPriority();
  while (true) {
    {
      const MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) changed_.Wait(mu_);
      if (stopping_) return;
    }
    RunNext();
  }
}

void UploadPool::RunNext() {
  ObjectItem object;
  {
    const MutexLock lock(mu_);
    if (queue_.empty()) return;  // another thread was faster
    object = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
  }
  Status status = upload_(object);
  {
    const MutexLock lock(mu_);
    --running_;
    done_.push_back({std::move(object), std::move(status)});
  }
  changed_.SignalAll();
  on_done_();
}

}  // namespace trefoil
