// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/group_commit.h"

#include <utility>

#include "fs/base/sabotage.h"

namespace trefoil::journal {

GroupCommit::GroupCommit(Env& env, std::string dir, Lsn durable,
                         std::function<void(const Status&)> on_failure)
    : env_(env), dir_(std::move(dir)), on_failure_(std::move(on_failure)) {
  progress_.reserved = durable;
  progress_.written = durable;
  progress_.durable = durable;
}

GroupCommit::Progress GroupCommit::progress() const {
  const MutexLock lock(mu_);
  return progress_;
}

Status GroupCommit::failure() const {
  const MutexLock lock(mu_);
  return failure_;
}

void GroupCommit::OnReserve(Lsn lsn) {
  const MutexLock lock(mu_);
  progress_.reserved = lsn;
}

void GroupCommit::OnNewSegment() {
  const MutexLock lock(mu_);
  directory_dirty_ = true;
}

void GroupCommit::OnWritten(Lsn lsn, const std::shared_ptr<Segment>& segment) {
  const MutexLock lock(mu_);
  dirty_.try_emplace(segment->number(), segment);
  if (lsn != progress_.written.Next()) {
    early_.insert(lsn);
    return;
  }
  progress_.written = lsn;
  while (!early_.empty() && *early_.begin() == progress_.written.Next()) {
    progress_.written = *early_.begin();
    early_.erase(early_.begin());
  }
  written_cv_.SignalAll();
}

Status GroupCommit::Fail(const Status& why) {
  {
    const MutexLock lock(mu_);
    if (!failure_.ok()) return failure_;
    failure_ = why;
    written_cv_.SignalAll();
    durable_cv_.SignalAll();
  }
  on_failure_(why);
  return why;
}

Status GroupCommit::WaitWritten(Lsn lsn) {
  const MutexLock lock(mu_);
  TREFOIL_CHECK(lsn <= progress_.reserved);
  while (progress_.written < lsn && failure_.ok()) written_cv_.Wait(mu_);
  return progress_.written < lsn ? failure_ : OkStatus();
}

Status GroupCommit::Sync(Lsn lsn) {
  Status failure;
  {
    const MutexLock lock(mu_);
    TREFOIL_CHECK(lsn <= progress_.reserved);
    while (progress_.written < lsn && failure_.ok()) written_cv_.Wait(mu_);
    while (progress_.durable < lsn && failure_.ok()) {
      if (syncing_) {
        durable_cv_.Wait(mu_);
      } else {
        LeadSync();
      }
    }
    failure = failure_;
  }
  return failure;
}

void GroupCommit::LeadSync() {
  syncing_ = true;
  const Lsn target = progress_.written;
  const Segments segments = std::exchange(dirty_, {});
  const bool directory = std::exchange(directory_dirty_, false);
  mu_.Unlock();
  Status synced = SyncFiles(segments, directory);
  if (!synced.ok()) synced = Fail(synced);
  mu_.Lock();
  syncing_ = false;
  if (failure_.ok()) {
    progress_.durable = target;
    ++progress_.syncs;
  }
  durable_cv_.SignalAll();
}

Status GroupCommit::SyncFiles(const Segments& segments, bool directory) {
  if (IsSabotaged(Sabotage::kSkipJournalSync)) return OkStatus();
  for (const auto& [number, segment] : segments) {
    TREFOIL_TRY(segment->file()->Sync());
  }
  if (directory) return env_.SyncDir(dir_);
  return OkStatus();
}

}  // namespace trefoil::journal
