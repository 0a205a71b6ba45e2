// SPDX-License-Identifier: Apache-2.0
#include "replicator/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "fs/base/log.h"
#include "fs/object/object_reader.h"

namespace trefoil {

namespace {

using BySeq = std::map<uint64_t, std::vector<ChainLink>>;

Status Missing(const ObjectStore& store, uint64_t seq, const Hash256& name) {
  return Status(StatusCode::kCorruption,
                fmt::format("{}: commit {} (hash {}) is missing",
                            store.Describe(), seq, name.ToHex()));
}

Result<std::vector<ChainLink>> ListCommits(ObjectStore& store) {
  std::vector<ChainLink> commits;
  TREFOIL_TRY(store.List("commit/", "", [&](const ObjectInfo& info) {
    auto parsed = ParseObjectKey(info.key);
    if (parsed.ok() && parsed->number > 0) {
      commits.push_back({info.key, std::move(*parsed), info.size_bytes});
    }
    return true;
  }));
  return commits;
}

// Claims whose bodies can be read; a damaged one fences nobody here.
Result<std::vector<OwnerClaim>> ReadClaims(ObjectStore& store,
                                           Generation* highest) {
  TREFOIL_ASSIGN(const auto names, ListClaims(store));
  std::vector<OwnerClaim> claims;
  for (const ClaimName& name : names) {
    *highest = std::max(*highest, name.generation);
    auto claim = ReadClaim(store, name);
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

bool IsDisowned(const ChainLink& commit,
                const std::vector<OwnerClaim>& claims) {
  return std::any_of(
      claims.begin(), claims.end(), [&](const OwnerClaim& claim) {
        return commit.parsed.generation < claim.name.generation &&
               commit.parsed.number > claim.base_seq.value;
      });
}

// The commit before `after`: the only one of its number, or the one that
// `after` names.
Result<ChainLink> Before(ObjectStore& store, const BySeq& commits,
                         const ChainLink& after) {
  const uint64_t seq = after.parsed.number - 1;
  const auto found = commits.find(seq);
  if (found != commits.end() && found->second.size() == 1) {
    return found->second.front();
  }
  TREFOIL_ASSIGN(const ObjectHeader header, ReadObjectHeader(store, after.key));
  if (found != commits.end()) {
    for (const ChainLink& link : found->second) {
      if (link.parsed.name == header.previous) return link;
    }
  }
  return Missing(store, seq, header.previous);
}

}  // namespace

Result<OwnedChain> FindOwnedChain(ObjectStore& store) {
  OwnedChain chain;
  TREFOIL_ASSIGN(const auto claims, ReadClaims(store, &chain.highest));
  TREFOIL_ASSIGN(const auto listed, ListCommits(store));
  BySeq commits;
  ChainLink newest;
  for (const ChainLink& commit : listed) {
    chain.highest = std::max(chain.highest, commit.parsed.generation);
    if (IsDisowned(commit, claims)) continue;
    commits[commit.parsed.number].push_back(commit);
    // Keys sort by generation, then number: the last one is the newest.
    newest = commit;
  }
  if (newest.key.empty()) {
    return Status(StatusCode::kNotFound,
                  store.Describe() + ": there is no commit to recover");
  }
  chain.links.push_back(newest);
  while (chain.links.back().parsed.number > 1) {
    TREFOIL_ASSIGN(ChainLink before,
                   Before(store, commits, chain.links.back()));
    chain.links.push_back(std::move(before));
  }
  std::reverse(chain.links.begin(), chain.links.end());
  return chain;
}

Status CheckLinks(ObjectStore& store, const std::vector<ChainLink>& links) {
  Hash256 previous;
  for (const ChainLink& link : links) {
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(store, link.key));
    if (header.previous != previous) {
      return Missing(store, link.parsed.number - 1, header.previous)
          .WithContext(link.key);
    }
    previous = link.parsed.name;
  }
  return OkStatus();
}

}  // namespace trefoil
