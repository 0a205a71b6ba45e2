// SPDX-License-Identifier: Apache-2.0
#include "replicator/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/object/commit.h"
#include "fs/object/object_reader.h"
#include "fs/volume/owned_head.h"
#include "replicator/checkpoint.h"

namespace trefoil {

namespace {

using BySeq = std::map<uint64_t, std::vector<ChainLink>>;

Status Missing(const ObjectStore& store, uint64_t seq, const Hash256& name) {
  return Status(StatusCode::kCorruption,
                fmt::format("{}: commit {} (hash {}) is missing",
                            store.Describe(), seq, name.ToHex()));
}

// Claims whose bodies can be read; a damaged one fences nobody here.
Result<std::vector<OwnerClaim>> ReadClaims(ObjectStore& store,
                                           const Keyring& keyring,
                                           Generation* highest) {
  TREFOIL_ASSIGN(const auto names, ListClaims(store));
  std::vector<OwnerClaim> claims;
  for (const ClaimName& name : names) {
    *highest = std::max(*highest, name.generation);
    auto claim = ReadClaim(store, keyring, name);
    if (claim.ok()) {
      claims.push_back(std::move(*claim));
    } else if (claim.status().Is(StatusCode::kCorruption)) {
      LogWarning("replicator", "passing over {}", claim.status().ToString());
    } else {
      return claim.status();
    }
  }
  return claims;
}

std::vector<OwnerBase> BasesOf(const std::vector<OwnerClaim>& claims) {
  std::vector<OwnerBase> bases;
  for (const OwnerClaim& claim : claims) {
    bases.push_back(
        {claim.name.generation, claim.base_seq.value, claim.base_name});
  }
  return bases;
}

// What of the listed objects a chain may be made of.
struct Wanted {
  const std::set<std::string>& damaged;
  const std::optional<CommitSeq> newest;

  [[nodiscard]] bool Includes(const ChainLink& link) const {
    return (!newest || link.parsed.number <= newest->value) &&
           !damaged.contains(link.key);
  }
};

// Leaves out what is not wanted, and notes the highest generation of the rest.
std::vector<ChainLink> Sift(std::vector<ChainLink> links, const Wanted& wanted,
                            OwnedChain* chain) {
  for (const ChainLink& link : links) {
    if (wanted.damaged.contains(link.key)) continue;
    chain->highest = std::max(chain->highest, link.parsed.generation);
  }
  std::erase_if(links,
                [&](const auto& link) { return !wanted.Includes(link); });
  return links;
}

BySeq Sorted(const std::vector<ChainLink>& links) {
  BySeq sorted;
  for (const ChainLink& link : links) {
    sorted[link.parsed.number].push_back(link);
  }
  return sorted;
}

// Follows the chain back from its newest state, link by link.
class WalkBack {
 public:
  WalkBack(ObjectStore& store, const BySeq& commits, const BySeq& checkpoints)
      : store_(store), commits_(commits), checkpoints_(checkpoints) {}

  // From the state after commit `seq`, named `name` when that is known. Newest
  // first.
  Result<std::vector<ChainLink>> Run(uint64_t seq,
                                     std::optional<Hash256> name) {
    name_ = name;
    std::vector<ChainLink> links;
    for (; seq > 0; --seq) {
      TREFOIL_ASSIGN(const ChainLink* checkpoint, FindCheckpoint(seq));
      if (checkpoint != nullptr) {
        links.push_back(*checkpoint);
        return links;
      }
      TREFOIL_ASSIGN(ChainLink commit, FindCommit(seq));
      above_ = commit;
      name_.reset();
      links.push_back(std::move(commit));
    }
    return links;
  }

 private:
  // The name of the commit that is looked for.
  Result<Hash256> Name() {
    if (!name_) {
      TREFOIL_ASSIGN(const ObjectHeader header,
                     ReadObjectHeader(store_, above_.key));
      name_ = header.previous;
    }
    return *name_;
  }

  // Null when there is none.
  Result<const ChainLink*> FindCheckpoint(uint64_t seq) {
    const ChainLink* const none = nullptr;
    const auto found = checkpoints_.find(seq);
    if (found == checkpoints_.end()) return none;
    TREFOIL_ASSIGN(const Hash256 name, Name());
    for (const ChainLink& link : found->second) {
      const auto header = ReadObjectHeader(store_, link.key);
      // A damaged one is as good as none while the commits are still there.
      if (header.status().Is(StatusCode::kCorruption)) continue;
      if (!header.ok()) return header.status();
      if (header->previous == name) return &link;
    }
    return none;
  }

  Result<ChainLink> FindCommit(uint64_t seq) {
    const auto found = commits_.find(seq);
    if (found != commits_.end() && found->second.size() == 1 && !name_) {
      return found->second.front();
    }
    TREFOIL_ASSIGN(const Hash256 name, Name());
    if (found != commits_.end()) {
      for (const ChainLink& link : found->second) {
        if (link.parsed.name == name) return link;
      }
    }
    return Missing(store_, seq, name);
  }

  ObjectStore& store_;
  const BySeq& commits_;
  const BySeq& checkpoints_;
  ChainLink above_;
  std::optional<Hash256> name_;
};

}  // namespace

Result<OwnedChain> FindOwnedChain(ObjectStore& store, const Keyring& keyring,
                                  const std::set<std::string>& damaged,
                                  std::optional<CommitSeq> newest_wanted) {
  OwnedChain chain;
  const Wanted wanted{damaged, newest_wanted};
  TREFOIL_ASSIGN(const auto claims, ReadClaims(store, keyring, &chain.highest));
  TREFOIL_ASSIGN(auto listed_commits, ListCommits(store));
  TREFOIL_ASSIGN(auto listed_checkpoints, ListCheckpoints(store));
  const auto commits = Sift(std::move(listed_commits), wanted, &chain);
  const auto checkpoints = Sift(std::move(listed_checkpoints), wanted, &chain);
  TREFOIL_ASSIGN(const auto head,
                 FindOwnedHead(store, commits, checkpoints, BasesOf(claims)));
  if (!head) {
    return Status(StatusCode::kNotFound,
                  store.Describe() + ": there is no commit to recover");
  }
  chain.owner = head->owner;
  if (head->link.parsed.kind == ObjectKind::kCheckpoint) {
    chain.links.push_back(head->link);
    return chain;
  }
  const BySeq by_seq = Sorted(commits);
  const BySeq whole_by_seq = Sorted(checkpoints);
  TREFOIL_ASSIGN(chain.links,
                 WalkBack(store, by_seq, whole_by_seq)
                     .Run(head->link.parsed.number, head->link.parsed.name));
  std::reverse(chain.links.begin(), chain.links.end());
  return chain;
}

bool IsSameState(const ChainLink& a, const ChainLink& b) {
  return a.key == b.key || (a.parsed.kind != b.parsed.kind &&
                            a.parsed.generation == b.parsed.generation &&
                            a.parsed.number == b.parsed.number);
}

namespace {

// A held commit or checkpoint, and what it says of its time.
struct TimedLink {
  ChainLink link;
  Status status;  // not OK: it says nothing
  int64_t time_nanos = 0;
};

// Newest first. Many requests at a time: the clock may have gone back, so that
// each of them has to be looked at.
std::vector<TimedLink> ReadTimes(ObjectStore& store, const Keyring& keyring,
                                 std::vector<TimedLink> links) {
  constexpr size_t kThreads = 8;
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < links.size(); i = next++) {
      const auto info = ReadCommitInfo(store, keyring, links[i].link.key);
      links[i].status = info.status();
      if (info.ok()) links[i].time_nanos = info->time_nanos;
    }
  };
  std::vector<std::thread> threads;
  while (threads.size() + 1 < std::min(kThreads, links.size())) {
    threads.emplace_back(work);
  }
  work();
  for (std::thread& thread : threads) thread.join();
  std::stable_sort(links.begin(), links.end(),
                   [](const auto& a, const auto& b) {
                     return a.link.parsed.number > b.link.parsed.number;
                   });
  return links;
}

Result<std::vector<TimedLink>> ListTimes(ObjectStore& store,
                                         const Keyring& keyring,
                                         const std::set<std::string>& without) {
  std::vector<TimedLink> links;
  for (const auto& list : {ListCommits(store), ListCheckpoints(store)}) {
    TREFOIL_TRY(list.status());
    for (const ChainLink& link : *list) {
      if (!without.contains(link.key)) links.push_back({link, {}, 0});
    }
  }
  links = ReadTimes(store, keyring, std::move(links));
  for (const TimedLink& timed : links) {
    // What is damaged, a stranger's, or has just gone says nothing.
    const bool is_its_own = timed.status.Is(StatusCode::kCorruption) ||
                            timed.status.Is(StatusCode::kNoKey) ||
                            timed.status.Is(StatusCode::kNotFound);
    if (!is_its_own) TREFOIL_TRY(timed.status);
  }
  return links;
}

Status NothingOfThatTime(const ObjectStore& store,
                         const std::vector<TimedLink>& links) {
  std::optional<int64_t> oldest;
  for (const TimedLink& timed : links) {
    if (!timed.status.ok()) continue;
    oldest = std::min(oldest.value_or(timed.time_nanos), timed.time_nanos);
  }
  return {
      StatusCode::kTrimmed,
      fmt::format("{}: holds nothing of that time{}", store.Describe(),
                  oldest ? "; the oldest is of " + FormatUtc(*oldest) : "")};
}

}  // namespace

Result<CommitSeq> FindCommitAt(ObjectStore& store, const Keyring& keyring,
                               int64_t time_nanos,
                               const std::set<std::string>& without) {
  TREFOIL_ASSIGN(const auto links, ListTimes(store, keyring, without));
  uint64_t newest = ~0ULL;             // what the chain may still have
  const TimedLink* damaged = nullptr;  // nothing above the answer, but it
  for (const TimedLink& timed : links) {
    const uint64_t number = timed.link.parsed.number;
    if (number > newest) continue;
    if (timed.status.Is(StatusCode::kCorruption)) damaged = &timed;
    if (!timed.status.ok()) continue;
    if (timed.time_nanos > time_nanos) {
      damaged = nullptr;
      continue;
    }
    // Of several of one number, and of what an older owner made, only what the
    // owner stands for counts.
    TREFOIL_ASSIGN(const OwnedChain chain,
                   FindOwnedChain(store, keyring, without, CommitSeq(number)));
    const ChainLink& head = chain.links.back();
    newest = std::min(newest, head.parsed.number);
    if (!IsSameState(head, timed.link)) continue;
    if (damaged == nullptr || damaged->link.parsed.number == number) {
      return CommitSeq(number);
    }
    return Status(
        StatusCode::kCorruption,
        fmt::format("{}; it may be of that time: --at {} takes what came "
                    "before it",
                    damaged->status.message(), number));
  }
  return NothingOfThatTime(store, links);
}

Status CheckLinks(ObjectStore& store, const std::vector<ChainLink>& links) {
  Hash256 previous;
  for (const ChainLink& link : links) {
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(store, link.key));
    const bool is_checkpoint = link.parsed.kind == ObjectKind::kCheckpoint;
    if (is_checkpoint && &link == &links.front()) {
      previous = header.previous;
      continue;
    }
    if (is_checkpoint || header.previous != previous) {
      return Missing(store, link.parsed.number - 1, header.previous)
          .WithContext(link.key);
    }
    previous = link.parsed.name;
  }
  return OkStatus();
}

}  // namespace trefoil
