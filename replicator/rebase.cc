// SPDX-License-Identifier: Apache-2.0
#include "replicator/rebase.h"

#include <algorithm>
#include <utility>

#include "replicator/checkpoint.h"

namespace trefoil {

namespace {

class Planner {
 public:
  Planner(CommitSource& source, CommitSeq watermark, const HeldObjects& held)
      : source_(source), watermark_(watermark), held_(held) {}

  Result<Backlog::Item> Plan() {
    TREFOIL_ASSIGN(const bool usable, TryNewest());
    if (usable) return Finished();
    if (!gone_.empty()) TREFOIL_TRY(CheckNotNeeded(gone_));
    TREFOIL_TRY(source_.Checkpoint().status());
    TREFOIL_ASSIGN(const bool fresh_usable, TryNewest());
    if (fresh_usable) return Finished();
    // Things moved on while the checkpoint was written: the next try will do.
    return Status(StatusCode::kUnavailable,
                  "what a checkpoint needs was let go while it was written");
  }

 private:
  // Whether the newest checkpoint will do; `gone_` names what it lacks.
  Result<bool> TryNewest() {
    gone_.clear();
    TREFOIL_ASSIGN(const auto newest, source_.NewestCheckpoint());
    if (!newest) return false;
    const auto tried = Try(*newest);
    // A newer one took its place just now.
    if (tried.status().Is(StatusCode::kNotFound)) return false;
    return tried;
  }

  Result<bool> Try(const ObjectInfo& checkpoint) {
    LocalTree& local = source_.objects();
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(checkpoint.key));
    if (CommitSeq(parsed.number) <= watermark_) return false;
    item_.last = {checkpoint.key, parsed.name, checkpoint.size_bytes};
    item_.first.clear();
    commits_.clear();
    TREFOIL_ASSIGN(item_.ref, CommitOfCheckpoint(local, source_.keyring(),
                                                 checkpoint.key));
    TREFOIL_TRY(VisitCheckpointObjects(
        local, source_.keyring(), checkpoint.key,
        [this](const ObjectInfo& object) { return Need(object); }));
    return gone_.empty();
  }

  Status Need(const ObjectInfo& object) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
    if (held_.Has(parsed.name, object.size_bytes)) return OkStatus();
    const auto there = source_.objects().Head(object.key);
    if (there.status().Is(StatusCode::kNotFound)) {
      gone_ = object.key;
      return OkStatus();
    }
    TREFOIL_TRY(there.status());
    const bool is_pack = parsed.kind == ObjectKind::kPack;
    (is_pack ? item_.first : commits_)
        .push_back({object.key, parsed.name, object.size_bytes});
    return OkStatus();
  }

  // A commit that holds blocks belongs to no chain before its checkpoint is
  // there, and whoever looks for the newest state on the target meanwhile takes
  // it for a chain with a gap. So it goes last, right before the checkpoint.
  Backlog::Item Finished() {
    item_.first_of_all = item_.first.size();
    item_.first.insert(item_.first.end(), commits_.begin(), commits_.end());
    return std::move(item_);
  }

  // Where the present state needs `key`, no new checkpoint does without it.
  Status CheckNotNeeded(const std::string& key) {
    bool needed = false;
    TREFOIL_TRY(source_
                    .VisitHeadObjects([&](const ObjectInfo& object) {
                      needed = needed || object.key == key;
                      return OkStatus();
                    })
                    .status());
    if (!needed) return OkStatus();
    return {StatusCode::kNotFound, "the primary lost " + key +
                                       ", which its tree needs, and the "
                                       "target has no copy of it"};
  }

  CommitSource& source_;
  const CommitSeq watermark_;
  const HeldObjects& held_;
  Backlog::Item item_;               // with packs
  std::vector<ObjectItem> commits_;  // that hold blocks
  std::string gone_;
};

}  // namespace

Result<Backlog::Item> PlanRebase(CommitSource& source, CommitSeq watermark,
                                 const HeldObjects& held) {
  return Planner(source, watermark, held).Plan();
}

}  // namespace trefoil
