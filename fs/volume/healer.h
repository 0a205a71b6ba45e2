// SPDX-License-Identifier: Apache-2.0
// The healer: gets an object that the primary lacks, or has damaged, from
// another copy, for a read that waits for it, and puts it in place.
//
// Keeps O4 and O10 (bytes are used, and put in place, only when they hash to
// the object's name), O8 (a read waits a bounded time for the copies; nobody
// else waits at all: each object is fetched by a thread of the healer, once
// however many ask for it).
// Thread rule: thread-safe. No lock of the volume is held while waiting.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/mutex.h"
#include "fs/object/copies.h"
#include "fs/object/local_tree.h"

namespace trefoil {

// So many reads wait at a time; what is beyond them fails.
inline constexpr int kMaxWaitingReads = 240;

struct HealerOptions {
  // Puts nothing in place, only answers.
  bool read_only = false;
  // How long one read waits for the copies.
  int64_t wait_nanos = 30'000'000'000;
  // How long the answer "no good copy" is repeated before they are asked anew.
  int64_t retry_nanos = 5'000'000'000;
  // Whether the disk has room for so many bytes besides what writers are owed
  // (O8); null: always. Called by any thread.
  std::function<bool(uint64_t bytes)> has_room;
};

struct HealCounts {
  uint64_t healed = 0;   // bad objects replaced by good ones
  uint64_t fetched = 0;  // missing ones that came from a copy
  uint64_t failed = 0;   // times that no good copy was found in time
  int waiting = 0;       // reads that wait now
};

class Healer {
 public:
  // All outlive this. `clock` is monotonic time.
  Healer(LocalTree& objects, Clock& clock, HealerOptions options);
  ~Healer();
  Healer(const Healer&) = delete;
  Healer& operator=(const Healer&) = delete;

  // Replaces the copies that are asked from now on. Without any it waits until
  // the ones before are no longer in use.
  void SetCopies(ObjectCopies copies);
  // Told +1 when a caller begins to wait and -1 when it goes on, so that
  // whoever lends the thread can bring another one. Before the first Fetch.
  void OnWait(std::function<void(int)> on_wait) {
    on_wait_ = std::move(on_wait);
  }

  using Bytes = std::shared_ptr<const std::string>;
  // What copies have that is not the good object; null: nothing.
  using Damaged = std::shared_ptr<const std::vector<std::string>>;
  // The whole good object `key`; when this returns OK it is in place too,
  // unless the disk is nearly full or may not be written to. `why` is what was
  // wrong with the local one. kUnavailable, kTimedOut: perhaps later;
  // kCorruption: no copy has it good; then `damaged` (may be null) is what they
  // have, for whoever can verify a part of it.
  Result<Bytes> Fetch(const std::string& key, uint64_t size_bytes,
                      const Status& why, Damaged* damaged = nullptr);
  // Asks for the same without waiting.
  void FetchSoon(const std::string& key, uint64_t size_bytes,
                 const Status& why);
  // Heals now, in the calling thread, for background work; an object of any
  // size. kNoSpace: the disk is nearly full.
  Status Heal(const std::string& key, uint64_t size_bytes, const Status& why);

  [[nodiscard]] bool has_copies() const;
  [[nodiscard]] HealCounts counts() const;

 private:
  struct Job {
    std::string key;
    uint64_t size_bytes = 0;
    Status why;
    bool done = false;
    Status status;
    Bytes bytes;
    Damaged damaged;
    int64_t done_nanos = 0;

    [[nodiscard]] uint64_t held_bytes() const;
  };
  using JobPointer = std::shared_ptr<Job>;

  // The job that answers for `key`, a new one where none does.
  JobPointer Find(const std::string& key, uint64_t size_bytes,
                  const Status& why) REQUIRES(mu_);
  // Of a job that is done.
  static Result<Bytes> AnswerOf(const Job& job, Damaged* damaged);
  void Wait(const Job& job) EXCLUDES(mu_);
  void Work();
  // What a job came to.
  struct Outcome {
    Bytes bytes;
    Damaged damaged;
    bool in_place = false;  // the bytes
  };
  Status Run(const Job& job, const ObjectCopies& copies, Outcome* outcome);
  Status PutInPlace(const std::string& key, std::string_view bytes);
  [[nodiscard]] Status CheckRoom(uint64_t bytes) const;
  void Finish(const JobPointer& job, bool in_place) REQUIRES(mu_);
  void NoteGood(const std::string& key, const std::string& from,
                const Status& why) EXCLUDES(mu_);
  void ForgetOldAnswers() REQUIRES(mu_);

  LocalTree& objects_;
  Clock& clock_;
  const HealerOptions options_;
  std::function<void(int)> on_wait_;

  mutable Mutex mu_;  // a leaf: no I/O is done under it
  CondVar changed_;
  ObjectCopies copies_ GUARDED_BY(mu_);
  int using_copies_ GUARDED_BY(mu_) = 0;
  bool stopping_ GUARDED_BY(mu_) = false;
  // Under way, or with an answer that stands for a while.
  std::map<std::string, JobPointer> jobs_ GUARDED_BY(mu_);
  std::list<JobPointer> answers_ GUARDED_BY(mu_);  // oldest first
  uint64_t answer_bytes_ GUARDED_BY(mu_) = 0;
  std::deque<JobPointer> queue_ GUARDED_BY(mu_);
  std::vector<std::thread> threads_ GUARDED_BY(mu_);
  size_t idle_ GUARDED_BY(mu_) = 0;
  int waiting_ GUARDED_BY(mu_) = 0;
  HealCounts counts_ GUARDED_BY(mu_);
};

}  // namespace trefoil
