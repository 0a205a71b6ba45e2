// SPDX-License-Identifier: Apache-2.0
// Listing directories. A cookie is the entry's position, so a listing goes on
// where it stopped whatever was made or removed meanwhile. 1 is `.`, 2 is
// `..`, 3 the root's `.snapshots` where it is visible; positions are far above.
#include <cerrno>

#include "fs/index/keys.h"
#include "fs/volume/directory.h"
#include "fs/volume/volume_impl.h"

namespace trefoil {
namespace {

constexpr uint64_t kDotCookie = 1;
constexpr uint64_t kDotDotCookie = 2;
constexpr uint64_t kSnapshotsCookie = 3;
constexpr uint64_t kFirstPosition = 4;

using Visit = std::function<bool(const DirectoryItem&)>;

DirectoryItem ItemOf(std::string_view name, NodeId node, uint32_t type,
                     uint64_t cookie) {
  DirectoryItem item;
  item.name = name;
  item.attr.node = node;
  item.attr.mode = type;
  item.next_cookie = cookie;
  return item;
}

// `.` and `..`, as far as they come after `cookie`. False: `visit` stopped.
bool VisitDots(NodeId self, NodeId parent, uint64_t cookie,
               const Visit& visit) {
  if (cookie < kDotCookie && !visit(ItemOf(".", self, S_IFDIR, kDotCookie))) {
    return false;
  }
  return cookie >= kDotDotCookie ||
         visit(ItemOf("..", parent, S_IFDIR, kDotDotCookie));
}

// The virtual directory: one entry for each snapshot, by id.
void VisitSnapshots(VolumeCore& core, NodeId directory, uint64_t cookie,
                    const Visit& visit) {
  const NodeId parent = NodeId::Make(kLiveTree, directory.inode());
  if (!VisitDots(directory, parent, cookie, visit)) return;
  for (const SnapshotInfo& snapshot : core.snapshots.List()) {
    const uint64_t at = kFirstPosition + snapshot.id.value;
    if (at <= cookie) continue;
    const NodeId node = NodeId::Make(snapshot.id, directory.inode());
    if (!LoadInode(core, node).ok()) continue;
    if (!visit(ItemOf(snapshot.name, node, S_IFDIR, at))) return;
  }
}

Status VisitEntries(VolumeCore& core, NodeId directory, const InodeView& view,
                    uint64_t cookie, const Visit& visit) {
  const DirPosition first(std::max(cookie + 1, kFirstPosition));
  Status bad;
  TREFOIL_TRY(VisitAt(
      *core.index, DirentKey(directory.inode(), first),
      AfterPrefix(KeyOf('D', directory.inode().value)), view.epoch,
      [&](std::string_view key, std::string_view value) {
        const auto record = DirentRecord::Decode(value);
        if (!record.ok()) {
          bad = record.status();
          return false;
        }
        const NodeId node = NodeId::Make(directory.snapshot(), record->inode);
        return visit(ItemOf(record->name, node,
                            static_cast<uint32_t>(record->type) << 12,
                            NumberInKey(key, 9)));
      }));
  return bad;
}

}  // namespace

Status VolumeImpl::ReadDirectory(NodeId directory, uint64_t cookie,
                                 const Visit& visit) {
  if (directory.snapshot() == kSnapshotsDirectory) {
    VisitSnapshots(*core_, directory, cookie, visit);
    return OkStatus();
  }
  TREFOIL_ASSIGN(const InodeView view, LoadInode(*core_, directory));
  if (!S_ISDIR(view.inode.mode)) return Status::Posix(ENOTDIR);
  const InodeId parent =
      view.inode.parent == InodeId() ? kRootInode : view.inode.parent;
  if (!VisitDots(directory, NodeId::Make(directory.snapshot(), parent), cookie,
                 visit)) {
    return OkStatus();
  }
  if (core_->options.snapshots_visible && directory == kRootNode &&
      cookie < kSnapshotsCookie) {
    const NodeId node = NodeId::Make(kSnapshotsDirectory, kRootInode);
    if (!visit(ItemOf(kSnapshotsName, node, S_IFDIR, kSnapshotsCookie))) {
      return OkStatus();
    }
  }
  return VisitEntries(*core_, directory, view, cookie, visit);
}

Status VolumeImpl::ReadDirectoryPlus(NodeId directory, uint64_t cookie,
                                     const Visit& visit) {
  return ReadDirectory(directory, cookie, [&](const DirectoryItem& plain) {
    DirectoryItem item = plain;
    const NodeId node = plain.attr.node;
    if (item.next_cookie <= kDotDotCookie) return visit(item);
    if (node.snapshot() == kLiveTree) references_.Add(node.inode());
    auto attr = GetAttr(node);
    bool wanted = true;
    if (attr.ok()) {
      item.attr = *attr;
      wanted = visit(item);
    }
    // An entry that vanished meanwhile is left out.
    if (!attr.ok() || !wanted) Forget(node, 1);
    return wanted;
  });
}

}  // namespace trefoil
