// SPDX-License-Identifier: Apache-2.0
#include "replicator/target_gc.h"

#include <algorithm>
#include <utility>

#include "replicator/checkpoint.h"

namespace trefoil {

namespace {

constexpr int64_t kMinPeriodNanos = 10'000'000;
// Read at one look; each costs a request.
constexpr size_t kClaimsAtOnce = 64;

}  // namespace

struct TargetGc::Listing {
  struct Object {
    std::string key;
    ParsedKey parsed;
    uint64_t size_bytes = 0;
  };
  std::vector<Object> checkpoints;  // oldest first
  std::vector<Object> others;       // packs and commits
  NameSet names;
  std::unordered_map<std::string, uint64_t> volume_objects;

  // Whether anything here is of an older generation than the claim's and comes
  // after its base.
  [[nodiscard]] bool IsDisownedBy(const OwnerClaim& claim) const {
    const auto disowned = [&](const Object& object) {
      return object.parsed.kind != ObjectKind::kPack &&
             Disowns(claim, object.parsed.generation, object.parsed.number);
    };
    return std::any_of(checkpoints.begin(), checkpoints.end(), disowned) ||
           std::any_of(others.begin(), others.end(), disowned);
  }

  Status Read(ObjectStore& target, const std::function<bool()>& keep_going) {
    for (const char* prefix : {"checkpoint/", "commit/", "pack/", "volume/"}) {
      bool stopped = false;
      TREFOIL_TRY(target.List(prefix, "", [&](const ObjectInfo& info) {
        const auto parsed = ParseObjectKey(info.key);
        if (parsed.ok()) Add({info.key, *parsed, info.size_bytes});
        stopped = !keep_going();
        return !stopped;
      }));
      if (stopped) return {StatusCode::kUnavailable, "shutting down"};
    }
    return OkStatus();
  }

  void Add(Object object) {
    names.insert(object.parsed.name);
    if (object.parsed.kind == ObjectKind::kVolume) {
      volume_objects[object.key] = object.size_bytes;
    } else if (object.parsed.kind == ObjectKind::kCheckpoint) {
      checkpoints.push_back(std::move(object));
    } else {
      others.push_back(std::move(object));
    }
  }
};

void TargetGc::Forget() {
  spent_.clear();
  ripe_.clear();
  missing_.clear();
}

// False when it can't be said: nothing is deleted then.
Result<bool> TargetGc::FindNeeded(CommitSeq watermark, Needed* needed) {
  TREFOIL_ASSIGN(const CommitRef head,
                 source_.VisitHeadObjects([&](const ObjectInfo& object) {
                   const auto parsed = ParseObjectKey(object.key);
                   if (!parsed.ok()) return parsed.status();
                   needed->names.insert(parsed->name);
                   if (parsed->kind == ObjectKind::kPack) {
                     needed->packs.insert(parsed->name);
                   }
                   return OkStatus();
                 }));
  if (head.seq < watermark) return false;
  needed->is_head = head.seq == watermark;
  // What the head no longer needs and the watermark does was retired between.
  for (CommitSeq at = watermark; at < head.seq;) {
    const auto next = source_.NextCommit(at);
    if (next.status().Is(StatusCode::kTrimmed)) return false;
    if (!next.ok()) return next.status();
    const auto info =
        ReadCommitInfo(source_.objects(), source_.keyring(),
                       CommitKey(next->generation, next->seq, next->name));
    if (info.status().Is(StatusCode::kNotFound)) return false;
    if (!info.ok()) return info.status();
    for (const PackRef& pack : info->packs_retired) {
      needed->names.insert(pack.name);
    }
    at = next->seq;
  }
  return true;
}

// Only a checkpoint that is still the primary's own counts as the newest one,
// and one that its owner does not stand for can't take its place.
Result<TargetGc::Bound> TargetGc::FindBound(const Place& place,
                                            const Listing& listing,
                                            const Claims& claims) {
  Bound bound;
  TREFOIL_ASSIGN(const auto newest, source_.NewestCheckpoint());
  if (!newest) return bound;
  const auto& listed = listing.checkpoints;
  const auto at = std::find_if(
      listed.begin(), listed.end(),
      [&](const Listing::Object& object) { return object.key == newest->key; });
  if (at == listed.end() || at->size_bytes != newest->size_bytes ||
      CommitSeq(at->parsed.number) > place.watermark) {
    return bound;
  }
  bound.kept.insert(at->parsed.name);
  for (auto before = at; before != listed.begin();) {
    --before;
    const ParsedKey& parsed = before->parsed;
    const bool is_disowned =
        std::any_of(claims.begin(), claims.end(), [&](const auto& claim) {
          return Disowns(claim.second, parsed.generation, parsed.number);
        });
    if (is_disowned || parsed.number >= at->parsed.number) continue;
    bound.kept.insert(parsed.name);
    bound.last_spent = CommitSeq(parsed.number);
    break;
  }
  return bound;
}

Status TargetGc::CheckPresent(const Place& place, const Needed& needed,
                              const Listing& listing) {
  const auto lost = [&](const std::string& what) {
    return Status(StatusCode::kNotFound,
                  place.target.Describe() + " lost " + what);
  };
  TREFOIL_ASSIGN(const ParsedKey proof, ParseObjectKey(place.watermark_key));
  if (!listing.names.contains(proof.name)) return lost(place.watermark_key);
  bool is_ours = false;
  TREFOIL_TRY(source_.objects().List("volume/", "", [&](const ObjectInfo& own) {
    is_ours = is_ours || listing.volume_objects.contains(own.key);
    return !is_ours;
  }));
  if (!is_ours) return lost("its volume object");

  // What may be on its way is lost when it was not there at two looks. Of
  // commits before the checkpoint it is not known which of them hold blocks.
  NameSet expected = needed.is_head ? needed.packs : NameSet();
  TREFOIL_ASSIGN(const auto checkpoint, source_.NewestCheckpoint());
  CommitSeq at;
  if (checkpoint) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(checkpoint->key));
    at = CommitSeq(parsed.number);
    if (at <= place.watermark) expected.insert(parsed.name);
  }
  NameSet missing;
  for (const Hash256& name : expected) {
    if (listing.names.contains(name)) continue;
    if (missing_.contains(name)) return lost("object " + name.ToHex());
    missing.insert(name);
  }
  missing_ = std::move(missing);
  while (at < place.watermark) {
    const auto next = source_.NextCommit(at);
    if (next.status().Is(StatusCode::kTrimmed)) break;
    if (!next.ok()) return next.status();
    if (!listing.names.contains(next->name)) {
      return lost("commit " + std::to_string(next->seq.value));
    }
    at = next->seq;
  }
  return OkStatus();
}

Status TargetGc::Look(const Place& place, int64_t now_nanos,
                      const std::function<bool()>& keep_going) {
  next_nanos_ = now_nanos + std::max(grace_nanos_ / 2, kMinPeriodNanos);
  ripe_.clear();
  Needed needed;
  TREFOIL_ASSIGN(const bool is_known, FindNeeded(place.watermark, &needed));
  if (!is_known) return OkStatus();
  Listing listing;
  TREFOIL_TRY(listing.Read(place.target, keep_going));
  if (const Status present = CheckPresent(place, needed, listing);
      !present.ok()) {
    Forget();
    return present;
  }
  TREFOIL_ASSIGN(const Claims claims, ReadClaims(place.target));
  TREFOIL_ASSIGN(const Bound bound, FindBound(place, listing, claims));
  std::vector<ObjectItem> spent;
  for (const Listing::Object& object : listing.others) {
    if (needed.names.contains(object.parsed.name)) continue;
    const bool is_pack = object.parsed.kind == ObjectKind::kPack;
    // Which commits hold blocks of a state before the head's is not known.
    const bool is_spent =
        is_pack ||
        (needed.is_head && object.parsed.number <= bound.last_spent.value);
    if (!is_spent) continue;
    spent.push_back({object.key, object.parsed.name, object.size_bytes});
  }
  for (const Listing::Object& object : listing.checkpoints) {
    if (object.parsed.number > bound.last_spent.value ||
        bound.kept.contains(object.parsed.name)) {
      continue;
    }
    spent.push_back({object.key, object.parsed.name, object.size_bytes});
  }
  FindSpentClaims(claims, listing, &spent);
  Remember(spent, now_nanos);
  return OkStatus();
}

// Those that can be read, ours the last of them. One that can't may be of use
// to whoever looks into it.
Result<TargetGc::Claims> TargetGc::ReadClaims(ObjectStore& target) {
  TREFOIL_ASSIGN(std::vector<ClaimName> names, ListClaims(target));
  std::erase_if(names, [this](const ClaimName& name) {
    return name.generation > source_.generation();
  });
  if (names.size() > kClaimsAtOnce) {
    names.erase(names.begin() + kClaimsAtOnce - 1, names.end() - 1);
  }
  Claims claims;
  for (const ClaimName& name : names) {
    auto claim = ReadClaim(target, source_.keyring(), name);
    if (claim.ok()) {
      claims.emplace_back(name, std::move(*claim));
    } else if (!claim.status().Is(StatusCode::kCorruption) &&
               !claim.status().Is(StatusCode::kNotFound)) {
      return claim.status();
    }
  }
  return claims;
}

// Our own, which stands above them, says all that fencing needs (O9).
void TargetGc::FindSpentClaims(const Claims& claims, const Listing& listing,
                               std::vector<ObjectItem>* spent) const {
  for (const auto& [name, claim] : claims) {
    if (name.generation >= source_.generation()) continue;
    if (listing.IsDisownedBy(claim)) continue;
    spent->push_back({ClaimKey(name), Hash256(), 0});
  }
}

void TargetGc::Remember(const std::vector<ObjectItem>& spent,
                        int64_t now_nanos) {
  std::unordered_map<std::string, int64_t> since;
  for (const ObjectItem& object : spent) {
    const auto known = spent_.find(object.key);
    const int64_t first = known == spent_.end() ? now_nanos : known->second;
    since.emplace(object.key, first);
    if (now_nanos - first >= grace_nanos_) ripe_.push_back(object);
  }
  spent_ = std::move(since);
}

Status TargetGc::DeleteBatch(
    ObjectStore& target,
    const std::function<void(uint64_t bytes)>& on_deleted) {
  for (size_t i = 0; i < kBatch && !ripe_.empty(); ++i) {
    TREFOIL_TRY(target.Delete(ripe_.back().key));
    // Claims are not counted among the objects.
    if (ParseObjectKey(ripe_.back().key).ok()) {
      on_deleted(ripe_.back().size_bytes);
    }
    spent_.erase(ripe_.back().key);
    ripe_.pop_back();
  }
  return OkStatus();
}

}  // namespace trefoil
