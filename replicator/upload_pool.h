// SPDX-License-Identifier: Apache-2.0
// UploadPool: a few threads that put objects on one target, at low CPU
// priority. The owner of the pool decides what and how much; the pool only
// bounds how many uploads run at a time. Thread rule: Submit, TakeDone,
// DropQueued and WaitIdle by one thread.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "fs/base/mutex.h"
#include "replicator/object_item.h"

namespace trefoil {

// Lets the calling thread yield the CPU to everything else.
void LowerThreadPriority();

class UploadPool {
 public:
  struct Done {
    ObjectItem object;
    Status status;
  };
  using Upload = std::function<Status(const ObjectItem&)>;

  // `upload` runs in the pool's threads; `on_done` after each, without a lock.
  // Without threads Submit does the upload.
  UploadPool(int threads, Upload upload, std::function<void()> on_done);
  // Drops what is queued and waits for what runs.
  ~UploadPool();
  UploadPool(const UploadPool&) = delete;
  UploadPool& operator=(const UploadPool&) = delete;

  void Submit(ObjectItem object);
  // What ended since the last call.
  std::vector<Done> TakeDone();
  // Queued or running.
  [[nodiscard]] size_t pending() const;
  void DropQueued();
  // Waits until nothing is queued and nothing runs.
  void WaitIdle();

 private:
  void Work();
  // Uploads what is first in the queue, if anything is.
  void RunNext();

  const Upload upload_;
  const std::function<void()> on_done_;

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<ObjectItem> queue_ GUARDED_BY(mu_);
  std::vector<Done> done_ GUARDED_BY(mu_);
  size_t running_ GUARDED_BY(mu_) = 0;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace trefoil
