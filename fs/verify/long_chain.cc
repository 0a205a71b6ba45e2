// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/long_chain.h"

#include <map>
#include <optional>

#include "fs/object/object_reader.h"
#include "fs/object/read_ahead.h"

namespace trefoil {
namespace {

using ByNumber = std::multimap<uint64_t, ChainLink>;

Result<ByNumber> ListByNumber(ObjectStore& store, std::string_view prefix) {
  ByNumber links;
  TREFOIL_TRY(store.List(prefix, "", [&links](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) {
      links.emplace(parsed->number,
                    ChainLink{info.key, *parsed, info.size_bytes});
    }
    return true;
  }));
  return links;
}

const ChainLink* FindCommit(const ByNumber& commits, uint64_t number,
                            const Hash256& name) {
  const auto [first, end] = commits.equal_range(number);
  for (auto at = first; at != end; ++at) {
    if (at->second.parsed.name == name) return &at->second;
  }
  return nullptr;
}

std::vector<ObjectInfo> NewestFirst(const ByNumber& commits, uint64_t newest) {
  std::vector<ObjectInfo> newest_first;
  for (auto at = commits.rbegin(); at != commits.rend(); ++at) {
    if (at->first > newest) continue;
    newest_first.push_back({at->second.key, at->second.size_bytes});
  }
  return newest_first;
}

// What can't be read ends the chain here; it is reported elsewhere.
std::optional<Hash256> PreviousOf(ObjectStore& store, const ChainLink& link) {
  const auto header = ReadObjectHeader(store, link.key);
  if (!header.ok()) return std::nullopt;
  return header->previous;
}

}  // namespace

Result<std::vector<ChainLink>> LongestChain(ObjectStore& store,
                                            std::vector<ChainLink> chain,
                                            unsigned readers) {
  if (chain.empty() || chain.front().parsed.kind != ObjectKind::kCheckpoint) {
    return chain;
  }
  TREFOIL_ASSIGN(const ByNumber commits, ListByNumber(store, "commit/"));
  TREFOIL_ASSIGN(const ByNumber checkpoints,
                 ListByNumber(store, "checkpoint/"));
  ReadAhead headers(store, NewestFirst(commits, chain.front().parsed.number),
                    {readers, kHeaderBytes});
  std::vector<ChainLink> before;    // newest first
  std::vector<ChainLink> complete;  // as much of it as has a beginning
  std::optional<Hash256> name = PreviousOf(store, chain.front());
  for (uint64_t number = chain.front().parsed.number; name && number > 0;) {
    const ChainLink* const commit = FindCommit(commits, number, *name);
    if (commit == nullptr) break;
    before.push_back(*commit);
    name = PreviousOf(headers, *commit);
    if (--number == 0) complete = before;
    const auto [first, end] = checkpoints.equal_range(number);
    for (auto at = first; at != end && name; ++at) {
      if (PreviousOf(store, at->second) != name) continue;
      complete = before;
      complete.push_back(at->second);
    }
  }
  if (complete.empty()) return chain;
  std::vector<ChainLink> longest(complete.rbegin(), complete.rend());
  longest.insert(longest.end(), chain.begin() + 1, chain.end());
  return longest;
}

}  // namespace trefoil
