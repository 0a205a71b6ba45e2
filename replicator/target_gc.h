// SPDX-License-Identifier: Apache-2.0
// TargetGc: finds what nothing needs on a target and deletes it after a grace.
//
// Keeps O5 on the target: the states that it can be recovered to are those of
// its watermark and after; what holds their blocks stays, and so do the newest
// checkpoint and the one before it with all commits since, so that one damaged
// object does not cost the copy. Claims below our own go when they disown
// nothing that is there. A listing that does not look like this volume's copy
// deletes nothing. The caller re-reads the owner claim before
// each batch (O9).
// Thread rule: one thread. Memory: a name per object that is needed, a key per
// object that is not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "replicator/audit.h"
#include "replicator/commit_source.h"
#include "replicator/object_item.h"
#include "replicator/owner.h"

namespace trefoil {

class TargetGc {
 public:
  // Objects deleted between two looks at the claim.
  static constexpr size_t kBatch = 64;

  TargetGc(CommitSource& source, int64_t grace_nanos)
      : source_(source), grace_nanos_(grace_nanos) {}

  // The target may be another one: what was seen there does not count.
  void Forget();
  [[nodiscard]] bool IsDue(int64_t now_nanos) const {
    return now_nanos >= next_nanos_;
  }

  struct Place {
    ObjectStore& target;
    CommitSeq watermark;
    std::string watermark_key;  // the object that proves the watermark
  };
  // Lists the target and remembers what is not needed. kNotFound when it lacks
  // what it must have.
  Status Look(const Place& place, int64_t now_nanos,
              const std::function<bool()>& keep_going);
  // Something has been of no use for as long as the grace.
  [[nodiscard]] bool HasRipe() const { return !ripe_.empty(); }
  // Deletes up to kBatch of it; `on_deleted` with the size of each.
  Status DeleteBatch(ObjectStore& target,
                     const std::function<void(uint64_t bytes)>& on_deleted);

 private:
  // What the watermark and all later states need.
  struct Needed {
    NameSet names;
    NameSet packs;         // among them
    bool is_head = false;  // the watermark is the head
  };
  // Where the chain may begin.
  struct Bound {
    NameSet kept;          // checkpoints
    CommitSeq last_spent;  // commits up to it are not needed for the chain
  };
  struct Listing;
  // A claim there, by its key's name.
  using Claims = std::vector<std::pair<ClaimName, OwnerClaim>>;

  Result<bool> FindNeeded(CommitSeq watermark, Needed* needed);
  Result<Claims> ReadClaims(ObjectStore& target);
  Result<Bound> FindBound(const Place& place, const Listing& listing,
                          const Claims& claims);
  Status CheckPresent(const Place& place, const Needed& needed,
                      const Listing& listing);
  // Claims that were superseded and say nothing that anybody needs to know.
  void FindSpentClaims(const Claims& claims, const Listing& listing,
                       std::vector<ObjectItem>* spent) const;
  void Remember(const std::vector<ObjectItem>& spent, int64_t now_nanos);

  CommitSource& source_;
  const int64_t grace_nanos_;
  int64_t next_nanos_ = 0;
  std::unordered_map<std::string, int64_t> spent_;  // since when
  std::vector<ObjectItem> ripe_;
  NameSet missing_;  // at the last look
};

}  // namespace trefoil
