// SPDX-License-Identifier: Apache-2.0
// The operations of the workload.
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "tests/sim/workload.h"

namespace trefoil::sim {

namespace {

constexpr uint64_t kMaxFileSize = 2 << 20;
constexpr size_t kFewPaths = 40;

}  // namespace

Status Workload::Make() {
  if (history_.now().tree.Paths().size() > kFewPaths) return Remove();
  const std::string path = NewPath();
  const Caller caller{1000, 1000, 022};
  const uint64_t dice = Below(10);
  uint32_t mode = S_IFREG | 0666;
  std::string target;
  if (dice < 3) mode = S_IFDIR | 0777 | (Chance(20) ? S_ISGID : 0);
  if (dice == 3) {
    mode = S_IFLNK;
    target = "somewhere/" + std::to_string(Below(1000));
  }
  ModelState next = history_.now();
  const int expected = next.tree.Make(path, mode, target, caller, now());
  const auto make = [&]() -> Status {
    TREFOIL_ASSIGN(const Place place, FindPlace(path));
    Volume& volume = machine_.volume();
    const auto made =
        S_ISDIR(mode) ? volume.MakeDirectory(place.directory, place.name,
                                             mode & 07777, caller)
        : S_ISLNK(mode)
            ? volume.MakeSymlink(place.directory, place.name, target, caller)
            : volume.MakeNode(place.directory, place.name, mode, 0, caller);
    if (made.ok()) volume.Forget(made->attr.node, 1);
    return made.status();
  };
  return Judge("making " + path, expected, make(), std::move(next));
}

Status Workload::MakeLink() {
  const std::string from = AnyPath();
  const std::string to = NewPath();
  ModelState next = history_.now();
  const int expected = next.tree.Link(from, to, now());
  const auto link = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(from));
    TREFOIL_ASSIGN(const Place place, FindPlace(to));
    const auto made = machine_.volume().Link(node, place.directory, place.name);
    if (made.ok()) machine_.volume().Forget(made->attr.node, 1);
    return made.status();
  };
  return Judge(fmt::format("link {} to {}", to, from), expected, link(),
               std::move(next));
}

Status Workload::Remove() {
  const std::string path = AnyPath();
  const bool directory = S_ISDIR(history_.now().tree.ModeOf(path));
  const auto content = history_.now().tree.Content(path);
  ModelState next = history_.now();
  const int expected = next.tree.Remove(path, directory, now());
  Unlinked held{NodeId{}, content};
  const auto remove = [&]() -> Status {
    TREFOIL_ASSIGN(const Place place, FindPlace(path));
    Volume& volume = machine_.volume();
    if (directory) return volume.RemoveDirectory(place.directory, place.name);
    if (content != nullptr && Chance(25)) {
      TREFOIL_ASSIGN(const Entry entry,
                     volume.Lookup(place.directory, place.name));
      held.node = entry.attr.node;
    }
    return volume.Unlink(place.directory, place.name);
  };
  const Status removed = remove();
  if (held.node != NodeId{}) {
    const auto attr = machine_.volume().GetAttr(held.node);
    if (removed.ok() && attr.ok() && attr->nlink == 0) {
      unlinked_.push_back(held);
    } else {
      machine_.volume().Forget(held.node, 1);
    }
  }
  return Judge("removing " + path, expected, removed, std::move(next), true);
}

Status Workload::Rename() {
  const std::string from = AnyPath();
  const std::string to = Chance(50) ? AnyPath() : NewPath();
  const uint64_t dice = Below(10);
  uint32_t flags = 0;
  if (dice == 0) flags = RENAME_NOREPLACE;
  if (dice == 1) flags = RENAME_EXCHANGE;
  ModelState next = history_.now();
  const int expected = next.tree.Rename(from, to, flags, now());
  const auto rename = [&]() -> Status {
    TREFOIL_ASSIGN(const Place source, FindPlace(from));
    TREFOIL_ASSIGN(const Place target, FindPlace(to));
    return machine_.volume().Rename(source.directory, source.name,
                                    target.directory, target.name, flags);
  };
  return Judge(fmt::format("renaming {} to {} ({})", from, to, flags), expected,
               rename(), std::move(next));
}

Status Workload::Write() {
  const std::string path = FilePath();
  const auto content = history_.now().tree.Content(path);
  const uint64_t size = content == nullptr ? 0 : content->size();
  const std::string data = Data();
  uint64_t offset = Chance(40) ? size : Below(size + 1);
  if (Chance(20)) offset = offset / 4096 * 4096;
  if (Chance(5)) offset += Below(200'000);
  if (offset + data.size() > kMaxFileSize) offset = 0;
  ModelState next = history_.now();
  const int expected = next.tree.Write(path, offset, data, now());
  const auto write = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(path));
    return machine_.volume().Write(node, offset, data, {});
  };
  return Judge(fmt::format("writing {} at {} of {}", data.size(), offset, path),
               expected, write(), std::move(next));
}

Status Workload::Truncate() {
  const std::string path = FilePath();
  const auto content = history_.now().tree.Content(path);
  const uint64_t size = content == nullptr ? 0 : content->size();
  AttrChange change;
  change.size_bytes = Chance(25) ? 0 : Below(size + 1);
  const bool grows = Chance(15);
  if (grows) change.size_bytes = std::min(size + Below(100'000), kMaxFileSize);
  ModelState next = history_.now();
  const int expected = next.tree.SetAttr(path, change, now());
  const auto truncate = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(path));
    return machine_.volume().SetAttr(node, change).status();
  };
  return Judge(fmt::format("truncating {} to {}", path, *change.size_bytes),
               expected, truncate(), std::move(next), !grows);
}

Status Workload::ChangeAttributes() {
  const std::string path = AnyPath();
  AttrChange change;
  if (Chance(50)) change.mode = static_cast<uint32_t>(Below(01000));
  if (Chance(30)) change.uid = static_cast<uint32_t>(Below(5000));
  if (Chance(30)) change.gid = static_cast<uint32_t>(Below(5000));
  if (Chance(30)) change.mtime_nanos = static_cast<int64_t>(Below(1ULL << 60));
  if (Chance(30)) change.atime_nanos = static_cast<int64_t>(Below(1ULL << 60));
  ModelState next = history_.now();
  const int expected = next.tree.SetAttr(path, change, now());
  const auto set = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(path));
    return machine_.volume().SetAttr(node, change).status();
  };
  return Judge("attributes of " + path, expected, set(), std::move(next));
}

Status Workload::ChangeXattr() {
  const std::string path = AnyPath();
  const std::string name = "user." + std::to_string(Below(4));
  const bool remove = Chance(30);
  const std::string value = random_.Bytes(Chance(90) ? Below(100) : 20'000);
  XattrFlags flags;
  flags.create = Chance(10);
  flags.replace = !flags.create && Chance(10);
  ModelState next = history_.now();
  const int expected =
      remove ? next.tree.RemoveXattr(path, name, now())
             : next.tree.SetXattr(path, name, value, flags, now());
  const auto change = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(path));
    return remove ? machine_.volume().RemoveXattr(node, name)
                  : machine_.volume().SetXattr(node, name, value, flags);
  };
  return Judge("xattr of " + path, expected, change(), std::move(next), remove);
}

Status Workload::Allocate() {
  constexpr std::array<int, 4> kModes = {
      0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_ZERO_RANGE};
  const std::string path = FilePath();
  const int mode = kModes[Below(kModes.size())];
  const uint64_t offset = Below(150'000);
  const uint64_t length = 1 + Below(150'000);
  ModelState next = history_.now();
  const int expected = next.tree.Allocate(path, mode, offset, length, now());
  const auto allocate = [&]() -> Status {
    TREFOIL_ASSIGN(const NodeId node, Find(path));
    return machine_.volume().Allocate(node, mode, offset, length, {});
  };
  return Judge(
      fmt::format("fallocate {} of {} at {} of {}", mode, length, offset, path),
      expected, allocate(), std::move(next),
      (mode & FALLOC_FL_PUNCH_HOLE) != 0);
}

Status Workload::Copy() {
  const std::string from = FilePath();
  const std::string to = FilePath();
  const auto content = history_.now().tree.Content(from);
  // How much is copied is the volume's to say: nothing to compare an error
  // with.
  if (from == to || content == nullptr || content->empty() ||
      history_.now().tree.Content(to) == nullptr || machine_.crowded() ||
      !machine_.calm()) {
    return OkStatus();
  }
  const uint64_t offset = Below(content->size());
  const uint64_t to_offset = Below(100'000);
  const auto source = Find(from);
  const auto target = Find(to);
  if (!source.ok() || !target.ok() || *source == *target) return OkStatus();
  const auto copied = machine_.volume().CopyRange(
      *source, offset, *target, to_offset, content->size() - offset, {});
  ModelState next = history_.now();
  const uint64_t bytes =
      copied.ok() ? *copied : std::min<uint64_t>(content->size() - offset, 1);
  const int expected = next.tree.Write(
      to, to_offset, std::string_view(*content).substr(offset, bytes), now());
  return Judge(fmt::format("copying {} from {} of {} to {} of {}", bytes,
                           offset, from, to_offset, to),
               expected, copied.status(), std::move(next));
}

Status Workload::Read() {
  const std::string path = FilePath();
  const auto content = history_.now().tree.Content(path);
  const auto node = Find(path);
  if (!node.ok() || content == nullptr) return OkStatus();
  const uint64_t offset = Below(content->size() + 1);
  std::string bytes(1 + Below(100'000), '\0');
  const auto size = machine_.volume().Read(*node, offset, bytes);
  if (!size.ok()) {
    return machine_.broken() || machine_.faulty()
               ? OkStatus()
               : size.status().WithContext("reading " + path);
  }
  bytes.resize(*size);
  if (content->substr(offset, bytes.size()) == bytes &&
      (bytes.size() > 0 || offset == content->size())) {
    return OkStatus();
  }
  return {StatusCode::kCorruption,
          fmt::format("reading {} at {}: wrong bytes", path, offset)};
}

Status Workload::ReadSnapshot() {
  const auto& snapshots = history_.now().snapshots;
  if (snapshots.empty()) return OkStatus();
  const auto one = std::next(snapshots.begin(),
                             static_cast<ptrdiff_t>(Below(snapshots.size())));
  const auto infos = machine_.volume().ListSnapshots();
  if (!infos.ok()) return infos.status();
  for (const SnapshotInfo& info : *infos) {
    if (info.name != one->first) continue;
    const auto shown =
        ShowVolume(machine_.volume(), NodeId::Make(info.id, kRootInode), false);
    if (!shown.ok()) {
      return machine_.broken() || machine_.faulty() ? OkStatus()
                                                    : shown.status();
    }
    const std::string difference = FirstDifference(one->second->Show(), *shown);
    if (difference.empty()) return OkStatus();
    return {StatusCode::kCorruption,
            "snapshot " + one->first + ": " + difference};
  }
  return {StatusCode::kCorruption, "snapshot " + one->first + " is gone"};
}

Status Workload::ReadUnlinked() {
  if (unlinked_.empty()) return OkStatus();
  const Unlinked one = unlinked_.back();
  unlinked_.pop_back();
  std::string bytes(one.content->size(), '\0');
  const auto size = machine_.volume().Read(one.node, 0, bytes);
  machine_.volume().Forget(one.node, 1);
  if (!size.ok()) {
    return machine_.broken() || machine_.faulty()
               ? OkStatus()
               : size.status().WithContext("reading an unlinked file");
  }
  return bytes == *one.content
             ? OkStatus()
             : Status(StatusCode::kCorruption, "an unlinked file has changed");
}

}  // namespace trefoil::sim
