// SPDX-License-Identifier: Apache-2.0
// The scrubber: re-reads every object of every copy, so that each was verified
// within a period, and heals what it finds from the other copies. What was
// verified longest ago comes first. It reads the medium, not the page cache, at
// idle I/O priority and below a rate; of a far copy a share of bytes a day.
//
// Keeps O4 and O10 (a bad object is replaced only by bytes that hash to its
// name), O8 (nobody waits for it) and O9 (a detached volume heals its own
// objects only).
// Thread rule: Start and the stops by one thread, the rest by any. Pass by one
// thread, and not after Start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/object/verified_ledger.h"
#include "fs/volume/volume.h"
#include "replicator/object_item.h"
#include "replicator/scrub_status.h"

namespace trefoil {

struct ScrubOptions {
  int64_t period_nanos = 30LL * 24 * 3600 * 1'000'000'000;  // 0: when asked
  uint64_t bytes_per_second = 32ULL << 20;                  // 0: no bound
  uint64_t far_bytes_per_day = 10ULL << 30;
  bool heals_copies = true;
  // Between two looks at what is due, and before the first one.
  int64_t look_nanos = 600'000'000'000;
  int64_t first_look_nanos = 120'000'000'000;
};

// A copy to be scrubbed.
struct ScrubPlace {
  ObjectCopy copy;
  bool is_primary = false;
  bool is_far = false;
  // Which of several disks takes this copy's place now, so that what was
  // verified on one is not taken for another's; empty: none. May be null.
  std::function<std::string()> disk = nullptr;
};

class Scrubber {
 public:
  // `volume` outlives this. `places`: the primary and its copies.
  Scrubber(World world, Volume& volume, std::vector<ScrubPlace> places,
           ScrubOptions options);
  ~Scrubber();  // stops
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  // Places that were there before, known by their stores, go on as they are.
  // What a pass under way still does with others is harmless where their stores
  // are closed.
  void SetPlaces(std::vector<ScrubPlace> places) EXCLUDES(mu_);
  void Start();
  void RequestStop();
  void Join();
  // Verifies everything now, at full speed where that is near; the far copies
  // too with `far`. Answers what WaitFor waits for.
  uint64_t Request(bool far);
  // False when `timeout_nanos` passed before the request was done.
  bool WaitFor(uint64_t request, int64_t timeout_nanos);
  // One pass over what is due, in the calling thread instead of Start.
  void Pass();
  [[nodiscard]] std::vector<ScrubStatus> status() const;

 private:
  struct Due {
    ObjectItem object;
    int64_t verified_nanos = 0;
  };

  // A place and what is known of it. Of the thread but for `status`.
  struct Place : ScrubPlace {
    explicit Place(ScrubPlace place) : ScrubPlace(std::move(place)) {}
    std::string ledger_disk;  // the disk that `ledger` is of
    bool has_ledger = false;
    VerifiedLedger ledger;
    int64_t far_since_nanos = 0;  // when a day's share began
    uint64_t far_bytes = 0;       // of it, by earlier mounts too
    ScrubStatus status;           // guarded by mu_
  };
  using Places = std::vector<std::shared_ptr<Place>>;

  void Run();
  // `asked`: everything whatever its age, and without pauses.
  void PassOver(Place& place, bool asked);
  Status PassOverDue(Place& place, bool asked);
  void HealMissing(Place& place);
  Result<std::vector<ObjectItem>> List(Place& place);
  Result<std::vector<Due>> FindDue(Place& place, bool asked);
  Status Verify(Place& place, const ObjectItem& object);
  Status Heal(Place& place, const ObjectItem& object, const Status& why);
  void NoteBad(Place& place, const std::string& key, const Status& healed)
      EXCLUDES(mu_);
  void NoteGone(Place& place, const std::string& key) EXCLUDES(mu_);
  bool TakeShare(Place& place, uint64_t bytes);
  void Pace(uint64_t bytes) EXCLUDES(mu_);
  void LoadLedger(Place& place);
  void SaveLedger(Place& place);
  [[nodiscard]] std::string LedgerPath(const Place& place) const;
  [[nodiscard]] Places places() const EXCLUDES(mu_);
  [[nodiscard]] bool stopping() const EXCLUDES(mu_);

  const World world_;
  Volume& volume_;
  const ScrubOptions options_;
  std::thread thread_;

  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mu_) = false;
  uint64_t requested_ GUARDED_BY(mu_) = 0;
  uint64_t done_ GUARDED_BY(mu_) = 0;
  bool far_requested_ GUARDED_BY(mu_) = false;
  Places places_ GUARDED_BY(mu_);
};

}  // namespace trefoil
