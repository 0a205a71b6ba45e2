// SPDX-License-Identifier: Apache-2.0
// The hydrator: fetches the packs that a recovered volume does not have yet,
// in pack order, many at a time, while the volume is in use. What reads wait
// for comes first: while one waits, no further pack is begun.
//
// It begins where it was left: what is there is not fetched again. An object
// that one copy lacks or has damaged is taken from the next; of a pack that no
// copy has whole the blocks that are good by themselves are saved into another
// pack, and the files that the rest is of are in the volume's status.
// Keeps O8 (nobody waits for it) and O10.
// Thread rule: Start and Stop by one thread, the rest by any.
#pragma once

#include <set>
#include <string>
#include <thread>

#include "fs/base/mutex.h"
#include "fs/volume/volume.h"
#include "replicator/fetch.h"
#include "replicator/rate_meter.h"
#include "replicator/replicator.h"

namespace trefoil {

struct HydratorOptions {
  FetchOptions fetch;
  // Before the copies are asked again for what could not be fetched.
  int64_t pause_min_nanos = 2'000'000'000;
  int64_t pause_max_nanos = 300'000'000'000;
};

class Hydrator {
 public:
  // `volume` outlives this.
  Hydrator(World world, Volume& volume, ObjectCopies copies,
           HydratorOptions options);
  ~Hydrator();  // stops
  Hydrator(const Hydrator&) = delete;
  Hydrator& operator=(const Hydrator&) = delete;

  // Does nothing for a volume that is whole.
  void Start();
  void RequestStop();
  void Join();
  // From the next round on.
  void SetCopies(ObjectCopies copies);
  [[nodiscard]] HydrationStatus status() const;

 private:
  void Run();
  // Tries all that is missing once, at every copy. Whether nothing is left.
  Result<bool> Round();
  Status FetchFrom(const ObjectCopy& copy,
                   const std::vector<ObjectInfo>& missing);
  // What is still missing after all copies were asked, unless one of them may
  // have it yet.
  Status Salvage(const ObjectCopies& copies);
  bool HasRoom();
  void NoteMissing(const std::vector<ObjectInfo>& missing);
  void NoteError(const Status& error);
  [[nodiscard]] bool stopping() const;

  const World world_;
  Volume& volume_;
  const HydratorOptions options_;
  std::thread thread_;
  std::set<std::string>
      salvaged_;  // the thread's: packs that gave all they can

  mutable Mutex mu_;
  CondVar changed_;
  ObjectCopies copies_ GUARDED_BY(mu_);
  bool stopping_ GUARDED_BY(mu_) = false;
  HydrationStatus status_ GUARDED_BY(mu_);
  uint64_t counted_bytes_ GUARDED_BY(mu_) = 0;  // of the fetch under way
  mutable RateMeter meter_;
};

}  // namespace trefoil
