// SPDX-License-Identifier: Apache-2.0
// Segment files that wait to be used: zero-filled once, or recycled. A thread
// of its own prepares them ahead of the writers and starts writeback of what
// they wrote, so that neither happens on a writer's time. Over an Env for one
// thread nothing runs ahead: whoever needs a segment makes it (PrepareHere).
//
// Files in the journal's directory: "new-K" while being filled, "spare-K" when
// ready, and a segment's name once in use. Filling writes real zeros: blocks
// that were written once need no change of the filesystem's own metadata when
// a record is written and synced, and the space for them can't run out later.
//
// Thread rule: any thread, except that Recover and Start come first.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "fs/base/status.h"

namespace trefoil::journal {

struct PoolLimits {
  uint64_t segment_size_bytes = 0;
  // Bound on all files together, those in use included.
  size_t max_segments = 0;
  // Kept ready beyond what ordinary writers may take.
  size_t reserve_segments = 0;
};

struct SpareSegment {
  std::string path;
  std::shared_ptr<File> file;
};

class SegmentPool {
 public:
  // `on_change` is called, without locks, whenever ready() or what
  // RequestMore would answer may have changed.
  SegmentPool(Env& env, Clock& clock, std::string dir, PoolLimits limits,
              std::function<void()> on_change);
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // Adopts the spares among `names` (of the directory's files) and removes
  // unfinished ones. `in_use` other segment files exist.
  Status Recover(const std::vector<std::string>& names, size_t in_use);
  void Start();
  // Ends the thread; nothing is prepared afterwards.
  void Stop() EXCLUDES(mu_);

  [[nodiscard]] size_t ready() const EXCLUDES(mu_);
  [[nodiscard]] const PoolLimits& limits() const { return limits_; }
  // Asks for more than is ready. OK when that is under way; kBusy when the
  // bound on files is reached and only Give can help; otherwise the error that
  // keeps files from being made (tried again a second later).
  Status RequestMore() EXCLUDES(mu_);
  // There is no thread that prepares; PrepareHere does, after RequestMore.
  [[nodiscard]] bool single_threaded() const { return env_.single_threaded(); }
  void PrepareHere() EXCLUDES(mu_);
  // A ready segment, if there is one.
  std::optional<SpareSegment> Take() EXCLUDES(mu_);
  // A ready segment, made on the spot and beyond the bound if need be.
  Result<SpareSegment> TakeOrCreate() EXCLUDES(mu_);
  // Takes a segment of `size_bytes` that is no longer in use back: recycles
  // it, or removes it when it has another size or is one too many.
  Status Give(SpareSegment segment, uint64_t size_bytes) EXCLUDES(mu_);
  // Forgets a file that is in no state to be used again.
  void Lose() EXCLUDES(mu_);

  // Starts writing the range out, soon. A hint; dropped when many wait.
  void QueueWriteback(std::shared_ptr<File> file, uint64_t offset,
                      uint64_t length) EXCLUDES(mu_);

 private:
  struct Writeback {
    std::shared_ptr<File> file;
    uint64_t offset = 0;
    uint64_t length = 0;
  };

  void RunThread() EXCLUDES(mu_);
  [[nodiscard]] bool MustPrepare() const REQUIRES(mu_);
  void PrepareOne() EXCLUDES(mu_);
  // A new file, filled and named as a spare.
  Result<SpareSegment> Create() EXCLUDES(mu_);
  Status FillWithZeros(File& file) EXCLUDES(mu_);
  std::string NewPath(const char* prefix) EXCLUDES(mu_);
  void AddReady(SpareSegment segment) EXCLUDES(mu_);

  Env& env_;
  Clock& clock_;
  const std::string dir_;
  const PoolLimits limits_;
  const std::function<void()> on_change_;

  mutable Mutex mu_;  // nothing is locked under it
  CondVar work_cv_;
  bool stop_ GUARDED_BY(mu_) = false;
  std::deque<SpareSegment> ready_ GUARDED_BY(mu_);
  size_t total_ GUARDED_BY(mu_) = 0;  // files that exist or are being made
  bool preparing_ GUARDED_BY(mu_) = false;
  size_t wanted_ GUARDED_BY(mu_) = 0;
  uint64_t next_name_ GUARDED_BY(mu_) = 1;
  Status error_ GUARDED_BY(mu_);
  int64_t error_nanos_ GUARDED_BY(mu_) = 0;
  std::deque<Writeback> writeback_ GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace trefoil::journal
