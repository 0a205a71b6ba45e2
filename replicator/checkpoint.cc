// SPDX-License-Identifier: Apache-2.0
#include "replicator/checkpoint.h"

#include <utility>

#include "fs/object/commit.h"

namespace trefoil {

namespace {

Result<std::vector<ChainLink>> ListLinks(ObjectStore& store,
                                         std::string_view prefix) {
  std::vector<ChainLink> links;
  TREFOIL_TRY(store.List(prefix, "", [&](const ObjectInfo& info) {
    auto parsed = ParseObjectKey(info.key);
    if (parsed.ok() && parsed->number > 0) {
      links.push_back({info.key, *parsed, info.size_bytes});
    }
    return true;
  }));
  return links;
}

}  // namespace

Result<CommitRef> CommitOfCheckpoint(ObjectStore& store, const Keyring& keyring,
                                     const std::string& checkpoint_key) {
  TREFOIL_ASSIGN(const ObjectHeader header,
                 ReadObjectHeader(store, checkpoint_key));
  TREFOIL_ASSIGN(const CommitInfo info,
                 ReadCommitInfo(store, keyring, checkpoint_key));
  CommitRef commit;
  commit.seq = info.seq;
  commit.generation = info.generation;
  commit.name = header.previous;
  commit.time_nanos = info.time_nanos;
  commit.cut = info.cut;
  return commit;
}

Result<std::vector<ChainLink>> ListCommits(ObjectStore& store) {
  return ListLinks(store, "commit/");
}

Result<std::vector<ChainLink>> ListCheckpoints(ObjectStore& store) {
  return ListLinks(store, "checkpoint/");
}

}  // namespace trefoil
