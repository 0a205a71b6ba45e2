// SPDX-License-Identifier: Apache-2.0
// How far the journal is: reserved >= written >= durable; and who makes it
// durable. Whoever needs a sync while none runs leads one for everything
// written so far; those who come meanwhile wait for it, and one of them leads
// the next for all the others (O1).
//
// After an error nothing is known of what earlier calls wrote, so the first
// error is final: it is every later answer.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "fs/base/types.h"
#include "fs/journal/segment.h"

namespace trefoil::journal {

class GroupCommit {
 public:
  // Everything up to `durable` is on stable storage. `on_failure` is called
  // once, without locks, with the first error.
  GroupCommit(Env& env, std::string dir, Lsn durable,
              std::function<void(const Status&)> on_failure);

  struct Progress {
    Lsn reserved;
    Lsn written;
    Lsn durable;
    uint64_t syncs = 0;
  };
  [[nodiscard]] Progress progress() const EXCLUDES(mu_);
  // The first error, or OK.
  [[nodiscard]] Status failure() const EXCLUDES(mu_);

  void OnReserve(Lsn lsn) EXCLUDES(mu_);
  // The directory has an entry that is not yet durable.
  void OnNewSegment() EXCLUDES(mu_);
  void OnWritten(Lsn lsn, const std::shared_ptr<Segment>& segment)
      EXCLUDES(mu_);
  // Returns the first error, which need not be `why`.
  Status Fail(const Status& why) EXCLUDES(mu_);

  // See Journal.
  Status WaitWritten(Lsn lsn) EXCLUDES(mu_);
  Status Sync(Lsn lsn) EXCLUDES(mu_);

 private:
  using Segments = std::map<uint64_t, std::shared_ptr<Segment>>;

  // Syncs what is written now; gives mu_ up meanwhile.
  void LeadSync() REQUIRES(mu_);
  Status SyncFiles(const Segments& segments, bool directory);

  Env& env_;
  const std::string dir_;
  const std::function<void(const Status&)> on_failure_;

  mutable Mutex mu_;  // nothing is locked under it
  CondVar written_cv_;
  CondVar durable_cv_;
  Progress progress_ GUARDED_BY(mu_);
  std::set<Lsn> early_ GUARDED_BY(mu_);  // written, with a gap below
  Segments dirty_ GUARDED_BY(mu_);       // written to since they were synced
  bool directory_dirty_ GUARDED_BY(mu_) = false;
  bool syncing_ GUARDED_BY(mu_) = false;
  Status failure_ GUARDED_BY(mu_);
};

}  // namespace trefoil::journal
