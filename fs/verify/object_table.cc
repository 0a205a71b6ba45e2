// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/object_table.h"

#include <algorithm>
#include <tuple>

namespace trefoil {
namespace {

auto SortKey(const ParsedKey& key) {
  return std::tie(key.kind, key.generation, key.number, key.name);
}

// What belongs to Trefoil beside the objects named by their hash: owner
// claims, keyrings, probes that are under way, and what a target is told by.
bool IsKnownSideObject(std::string_view key) {
  for (const std::string_view prefix :
       {"owner/", "probe/", "keyring/", "quarantine/"}) {
    if (key.starts_with(prefix)) return true;
  }
  return key == "trefoil-target";
}

}  // namespace

std::string ListedObject::Key() const {
  switch (parsed.kind) {
    case ObjectKind::kCommit:
      return CommitKey(parsed.generation, CommitSeq(parsed.number),
                       parsed.name);
    case ObjectKind::kCheckpoint:
      return CheckpointKey(parsed.generation, CommitSeq(parsed.number),
                           parsed.name);
    case ObjectKind::kVolume:
      return VolumeKey(parsed.number, parsed.name);
    default:
      return PackKey(parsed.name);
  }
}

Result<ObjectTable> ObjectTable::List(ObjectStore& store, Findings& findings) {
  ObjectTable table;
  TREFOIL_TRY(store.List("", "", [&](const ObjectInfo& info) {
    const auto parsed = ParseObjectKey(info.key);
    if (parsed.ok()) {
      table.objects_.push_back({*parsed, info.size_bytes});
      table.bytes_ += info.size_bytes;
    } else if (!IsKnownSideObject(info.key)) {
      findings.Stranger(info.key);
      findings.Warning("foreign-object", info.key,
                       "is no object of Trefoil's; somebody else put it here");
    }
    return true;
  }));
  std::sort(table.objects_.begin(), table.objects_.end(),
            [](const ListedObject& a, const ListedObject& b) {
              return SortKey(a.parsed) < SortKey(b.parsed);
            });
  return table;
}

ListedObject* ObjectTable::Find(const ParsedKey& parsed) {
  const auto at =
      std::lower_bound(objects_.begin(), objects_.end(), parsed,
                       [](const ListedObject& object, const ParsedKey& wanted) {
                         return SortKey(object.parsed) < SortKey(wanted);
                       });
  if (at == objects_.end() || SortKey(at->parsed) != SortKey(parsed)) {
    return nullptr;
  }
  return &*at;
}

}  // namespace trefoil
