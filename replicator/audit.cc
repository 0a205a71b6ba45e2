// SPDX-License-Identifier: Apache-2.0
#include "replicator/audit.h"

#include <algorithm>
#include <vector>

#include "fs/object/commit.h"
#include "fs/volume/rebuild.h"
#include "replicator/checkpoint.h"

namespace trefoil {

namespace {

const Status& ShuttingDown() {
  static const Status status(StatusCode::kUnavailable, "shutting down");
  return status;
}

// Follows the local chain and finds how much of it is on the target.
class ChainWalk {
 public:
  ChainWalk(CommitSource& source, const HeldObjects& held)
      : source_(source), held_(held) {}

  // From the newest checkpoint that both sides have and that the local chain
  // goes on from, else from the first commit. Where neither is there, nothing
  // can be said of the target.
  Status Run(const std::function<bool()>& keep_going) {
    TREFOIL_ASSIGN(const bool begun, Begin());
    if (!begun) return OkStatus();
    while (true) {
      auto next = source_.NextCommit(at_);
      if (next.status().Is(StatusCode::kNotFound)) return OkStatus();
      if (!next.ok()) return next.status();
      if (!keep_going()) return ShuttingDown();
      TREFOIL_TRY(Visit(*next));
    }
  }

  [[nodiscard]] const CommitRef& complete() const { return complete_; }
  [[nodiscard]] const std::string& complete_key() const {
    return complete_key_;
  }

 private:
  Result<bool> Begin() {
    TREFOIL_ASSIGN(auto checkpoints, ListCheckpoints(source_.objects()));
    for (auto at = checkpoints.rbegin(); at != checkpoints.rend(); ++at) {
      if (!held_.Has(at->parsed.name, at->size_bytes)) continue;
      const CommitSeq seq(at->parsed.number);
      const bool goes_on =
          seq <= source_.head().seq &&
          !source_.NextCommit(seq).status().Is(StatusCode::kTrimmed);
      if (!goes_on) continue;
      const Status begun = BeginAt(at->key);
      // Superseded just now, or damaged: an older one is as good here.
      if (begun.Is(StatusCode::kNotFound) ||
          begun.Is(StatusCode::kCorruption)) {
        missing_.clear();
        continue;
      }
      TREFOIL_TRY(begun);
      return true;
    }
    return !source_.NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed);
  }

  Status BeginAt(const std::string& checkpoint_key) {
    LocalTree& local = source_.objects();
    TREFOIL_ASSIGN(
        const CommitRef commit,
        CommitOfCheckpoint(local, source_.keyring(), checkpoint_key));
    TREFOIL_TRY(VisitCheckpointObjects(
        local, source_.keyring(), checkpoint_key,
        [this](const ObjectInfo& object) -> Status {
          TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(object.key));
          Need(parsed.name, object.size_bytes);
          return OkStatus();
        }));
    at_ = commit.seq;
    NoteIfComplete(commit, checkpoint_key);
    return OkStatus();
  }

  Status Visit(const CommitRef& ref) {
    const std::string key = CommitKey(ref.generation, ref.seq, ref.name);
    TREFOIL_ASSIGN(const CommitInfo info,
                   ReadCommitInfo(source_.objects(), source_.keyring(), key));
    for (const PackRef& pack : info.packs_added) {
      Need(pack.name, pack.size_bytes);
    }
    // What nothing needs any more is not missed (O5).
    for (const PackRef& pack : info.packs_retired) missing_.erase(pack.name);
    chain_is_whole_ = chain_is_whole_ && held_.Has(ref.name, ref.size_bytes);
    at_ = ref.seq;
    NoteIfComplete(ref, key);
    return OkStatus();
  }

  void Need(const Hash256& name, uint64_t size_bytes) {
    if (!held_.Has(name, size_bytes)) missing_.insert(name);
  }

  void NoteIfComplete(const CommitRef& ref, const std::string& key) {
    if (!chain_is_whole_ || !missing_.empty()) return;
    complete_ = ref;
    complete_key_ = key;
  }

  CommitSource& source_;
  const HeldObjects& held_;
  CommitSeq at_;
  bool chain_is_whole_ = true;
  NameSet missing_;  // that the state at `at_` needs
  CommitRef complete_;
  std::string complete_key_;
};

}  // namespace

Result<HeldObjects> ListHeld(ObjectStore& target,
                             const std::function<bool()>& keep_going) {
  HeldObjects held;
  bool stopped = false;
  for (const char* prefix : {"commit/", "pack/", "checkpoint/", "volume/"}) {
    TREFOIL_TRY(target.List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (parsed.ok()) {
        ++held.objects;
        held.bytes += info.size_bytes;
        held.sizes.emplace(parsed->name, info.size_bytes);
        if (parsed->kind == ObjectKind::kCheckpoint) {
          held.checkpoints.insert(parsed->number);
        }
      }
      stopped = !keep_going();
      return !stopped;
    }));
    if (stopped) return ShuttingDown();
  }
  return held;
}

Result<AuditResult> AuditTarget(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going) {
  AuditResult result;
  TREFOIL_ASSIGN(result.held, ListHeld(target, keep_going));
  ChainWalk walk(source, result.held);
  TREFOIL_TRY(walk.Run(keep_going));
  result.complete = walk.complete();
  result.complete_key = walk.complete_key();
  return result;
}

}  // namespace trefoil
