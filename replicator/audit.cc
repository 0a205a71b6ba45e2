// SPDX-License-Identifier: Apache-2.0
#include "replicator/audit.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace trefoil {

namespace {

using Sizes = std::unordered_map<Hash256, uint64_t, HashOfName>;

const Status& ShuttingDown() {
  static const Status status(StatusCode::kUnavailable, "shutting down");
  return status;
}

// Adds what is listed below `prefix` to the totals and, by name, to `sizes`.
Status Collect(ObjectStore& target, std::string_view prefix,
               const std::function<bool()>& keep_going, AuditResult* result,
               Sizes* sizes) {
  bool stopped = false;
  TREFOIL_TRY(target.List(prefix, "", [&](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) {
      ++result->objects_held;
      result->bytes_held += info.size_bytes;
      if (sizes != nullptr) sizes->emplace(parsed->name, info.size_bytes);
    }
    stopped = !keep_going();
    return !stopped;
  }));
  return stopped ? ShuttingDown() : OkStatus();
}

// Walks the local chain and finds how much of it is on the target.
class ChainWalk {
 public:
  ChainWalk(CommitSource& source, const Sizes& sizes)
      : source_(source), sizes_(sizes) {}

  Status Run(const std::function<bool()>& keep_going) {
    CommitSeq at;
    while (true) {
      auto next = source_.NextCommit(at);
      if (next.status().Is(StatusCode::kNotFound)) break;
      if (!next.ok()) return next.status();
      if (!keep_going()) return ShuttingDown();
      TREFOIL_TRY(Visit(*next));
      at = next->seq;
    }
    return OkStatus();
  }

  // The first commit that is not there completely; none: all are.
  [[nodiscard]] std::optional<CommitSeq> first_incomplete() const {
    std::optional<CommitSeq> first = first_missing_commit_;
    for (const auto& [name, seq] : missing_packs_) {
      if (!first || seq < *first) first = seq;
    }
    return first;
  }
  [[nodiscard]] const CommitRef& last() const { return last_; }
  // Of the right name and a wrong size: as good as missing.
  [[nodiscard]] const NameSet& damaged() const { return damaged_; }

 private:
  bool Holds(const Hash256& name, uint64_t size_bytes) {
    const auto found = sizes_.find(name);
    if (found == sizes_.end()) return false;
    if (found->second == size_bytes) return true;
    damaged_.insert(name);
    return false;
  }

  Status Visit(const CommitRef& ref) {
    const std::string key = CommitKey(ref.generation, ref.seq, ref.name);
    TREFOIL_ASSIGN(const CommitInfo info,
                   ReadCommitInfo(source_.objects(), key));
    for (const PackRef& pack : info.packs_added) {
      if (Holds(pack.name, pack.size_bytes)) continue;
      missing_packs_.emplace(pack.name, ref.seq);
    }
    // What nothing needs any more is not missed (O5).
    for (const PackRef& pack : info.packs_retired) {
      missing_packs_.erase(pack.name);
    }
    const bool holds = Holds(ref.name, ref.size_bytes);
    if (!holds && !first_missing_commit_) first_missing_commit_ = ref.seq;
    last_ = ref;
    return OkStatus();
  }

  CommitSource& source_;
  const Sizes& sizes_;
  std::optional<CommitSeq> first_missing_commit_;
  std::unordered_map<Hash256, CommitSeq, HashOfName> missing_packs_;
  NameSet damaged_;
  CommitRef last_;
};

}  // namespace

Result<AuditResult> AuditTarget(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going) {
  AuditResult result;
  Sizes sizes;
  TREFOIL_TRY(Collect(target, "commit/", keep_going, &result, &sizes));
  TREFOIL_TRY(Collect(target, "pack/", keep_going, &result, &sizes));
  TREFOIL_TRY(Collect(target, "checkpoint/", keep_going, &result, nullptr));
  TREFOIL_TRY(Collect(target, "volume/", keep_going, &result, nullptr));
  ChainWalk walk(source, sizes);
  TREFOIL_TRY(walk.Run(keep_going));

  const auto limit = walk.first_incomplete();
  if (!limit) {
    result.complete = walk.last();
    return result;
  }
  for (const auto& [name, size] : sizes) {
    if (!walk.damaged().contains(name)) result.beyond.insert(name);
  }
  if (limit->value < 2) return result;
  TREFOIL_ASSIGN(const CommitRef before,
                 source.NextCommit(CommitSeq(limit->value - 2)));
  if (before.seq < *limit) result.complete = before;
  return result;
}

}  // namespace trefoil
