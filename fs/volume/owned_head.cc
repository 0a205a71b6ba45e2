// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/owned_head.h"

#include <algorithm>
#include <utility>

#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

auto Age(const ChainLink& link) {
  return std::pair(link.parsed.generation, link.parsed.number);
}

// The newest of `generation` or a newer one.
void TakeNewest(const std::vector<ChainLink>& links, Generation generation,
                std::optional<ChainLink>* newest) {
  for (const ChainLink& link : links) {
    if (link.parsed.generation < generation) continue;
    if (!*newest || Age(link) > Age(**newest)) *newest = link;
  }
}

std::optional<ChainLink> NewestSince(const std::vector<ChainLink>& commits,
                                     const std::vector<ChainLink>& checkpoints,
                                     Generation generation) {
  std::optional<ChainLink> newest;
  TakeNewest(commits, generation, &newest);
  TakeNewest(checkpoints, generation, &newest);
  return newest;
}

// The commit that the claimant continues, or the checkpoint of it.
Result<std::optional<ChainLink>> FindBase(
    ObjectStore& store, const std::vector<ChainLink>& commits,
    const std::vector<ChainLink>& checkpoints, const OwnerBase& claim) {
  std::optional<ChainLink> none;
  if (claim.name == Hash256()) return none;
  for (const ChainLink& link : commits) {
    const bool is_base =
        link.parsed.name == claim.name && link.parsed.number == claim.number;
    if (is_base) return std::optional(link);
  }
  for (const ChainLink& link : checkpoints) {
    if (link.parsed.number != claim.number) continue;
    const auto header = ReadObjectHeader(store, link.key);
    if (header.status().Is(StatusCode::kCorruption)) continue;
    TREFOIL_TRY(header.status());
    if (header->previous == claim.name) return std::optional(link);
  }
  return none;
}

}  // namespace

Result<std::optional<OwnedHead>> FindOwnedHead(
    ObjectStore& store, const std::vector<ChainLink>& commits,
    const std::vector<ChainLink>& checkpoints, std::vector<OwnerBase> claims) {
  std::sort(claims.begin(), claims.end(), [](const auto& a, const auto& b) {
    return a.generation > b.generation;
  });
  for (const OwnerBase& claim : claims) {
    const auto own = NewestSince(commits, checkpoints, claim.generation);
    if (own) return std::optional(OwnedHead{*own, own->parsed.generation});
    TREFOIL_ASSIGN(const auto base,
                   FindBase(store, commits, checkpoints, claim));
    if (base) return std::optional(OwnedHead{*base, claim.generation});
  }
  const auto newest = NewestSince(commits, checkpoints, Generation());
  if (!newest) return std::optional<OwnedHead>();
  return std::optional(OwnedHead{*newest, newest->parsed.generation});
}

}  // namespace trefoil
