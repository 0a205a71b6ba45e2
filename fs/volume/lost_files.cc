// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/lost_files.h"

#include <optional>

#include "fs/index/history.h"

namespace trefoil {
namespace {

// Deeper than any path that the kernel could give us.
constexpr int kMaxDepth = 4096;

struct FoundName {
  InodeId directory;
  std::string name;
};

// A name of `inode` among the entries in [lower, upper).
Result<std::optional<FoundName>> FindName(IndexView& index, InodeId inode,
                                          Epoch epoch, const std::string& lower,
                                          const std::string& upper) {
  std::optional<FoundName> found;
  TREFOIL_TRY(VisitAt(index, lower, upper, epoch,
                      [&](std::string_view key, std::string_view value) {
                        const auto entry = DirentRecord::Decode(value);
                        if (!entry.ok() || entry->inode != inode) return true;
                        found = {InodeId(NumberInKey(key)), entry->name};
                        return false;
                      }));
  return found;
}

Result<std::string> BuildPath(IndexView& index, InodeId inode, Epoch epoch) {
  const Status nameless(StatusCode::kNotFound, "no name leads there");
  TREFOIL_ASSIGN(auto found, FindName(index, inode, epoch, "D", "E"));
  std::string path;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (!found) return nameless;
    path = path.empty() ? found->name : found->name + "/" + path;
    const InodeId directory = found->directory;
    if (directory == kRootInode) return path;
    TREFOIL_ASSIGN(const auto bytes, GetAt(index, InodeKey(directory), epoch));
    if (!bytes) return nameless;
    TREFOIL_ASSIGN(const InodeRecord record, InodeRecord::Decode(*bytes));
    const std::string entries = KeyOf('D', record.parent.value);
    TREFOIL_ASSIGN(found, FindName(index, directory, epoch, entries,
                                   AfterPrefix(entries)));
  }
  return nameless;
}

}  // namespace

std::string FindPath(IndexView& index, InodeId inode, Epoch epoch) {
  auto path = BuildPath(index, inode, epoch);
  return path.ok() ? *path : "inode " + std::to_string(inode.value);
}

void LostFiles::Note(NodeId node, const Status& why) {
  const MutexLock lock(mu_);
  if (files_.size() >= kMax && files_.count(node) == 0) return;
  files_[node].reason = why.message();
  any_ = true;
}

void LostFiles::Remove(NodeId node) {
  const MutexLock lock(mu_);
  files_.erase(node);
  any_ = !files_.empty();
}

std::vector<LostFile> LostFiles::List(IndexView& index,
                                      const SnapshotTable& snapshots) {
  std::map<NodeId, Entry> files;
  {
    const MutexLock lock(mu_);
    files = files_;
  }
  std::vector<LostFile> list;
  for (auto& [node, entry] : files) {
    if (entry.path.empty()) {
      const auto snapshot = snapshots.Find(node.snapshot());
      const Epoch epoch = snapshot ? snapshot->epoch : kLiveEpoch;
      entry.path = FindPath(index, node.inode(), epoch);
      if (snapshot) {
        entry.path = std::string(kSnapshotsName) + "/" + snapshot->name + "/" +
                     entry.path;
      }
      const MutexLock lock(mu_);
      const auto known = files_.find(node);
      if (known != files_.end()) known->second.path = entry.path;
    }
    list.push_back({entry.path, entry.reason});
  }
  return list;
}

}  // namespace trefoil
