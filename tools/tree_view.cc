// SPDX-License-Identifier: Apache-2.0
#include "tools/tree_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace trefoil {
namespace {

constexpr size_t kReadBytes = 1U << 20;
constexpr uint64_t kInodeMask = (1ULL << 40) - 1;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// The NUL-terminated names of a list of extended attributes.
std::vector<std::string> SplitNames(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const size_t end = std::min(list.find('\0'), list.size() - 1);
    names.emplace_back(list.substr(0, end));
    list.remove_prefix(end + 1);
  }
  return names;
}

void Sort(std::vector<TreeEntry>* entries) {
  std::sort(
      entries->begin(), entries->end(),
      [](const TreeEntry& a, const TreeEntry& b) { return a.name < b.name; });
}

// The part of `path` before its first slash, which it loses.
std::string TakeName(std::string_view* path) {
  const size_t slash = path->find('/');
  const std::string name(path->substr(0, slash));
  path->remove_prefix(slash == std::string_view::npos ? path->size()
                                                      : slash + 1);
  return name;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class MountedTree final : public TreeView {
 public:
  MountedTree(Descriptor root, std::string name)
      : root_(std::move(root)), name_(std::move(name)) {}

  Result<NodeFacts> Look(const std::string& path) override;
  Result<std::vector<TreeEntry>> List(const std::string& path) override;
  Result<std::string> ReadLink(const std::string& path) override;
  Status Read(const std::string& path, const VisitBytes& visit) override;

 private:
  // An entry by its directory; any depth, where one path could be too long.
  struct Place {
    Descriptor directory;
    std::string name;
  };
  Result<Place> Find(const std::string& path);
  Result<Descriptor> Open(const std::string& path, int flags);
  Status AddXattrs(const Place& place, const std::string& path,
                   NodeFacts* facts);
  [[nodiscard]] Status Failed(const char* what, const std::string& path) const {
    return Status::FromErrno(errno,
                             std::string(what) + " " + JoinPath(name_, path));
  }

  const Descriptor root_;
  const std::string name_;
};

Result<MountedTree::Place> MountedTree::Find(const std::string& path) {
  Descriptor at(openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) return Failed("open", path);
  std::string_view rest = path;
  std::string name = TakeName(&rest);
  while (!rest.empty()) {
    Descriptor next(openat(at.get(), name.c_str(),
                           O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0) return Failed("open", path);
    at = std::move(next);
    name = TakeName(&rest);
  }
  return Place{std::move(at), name.empty() ? "." : name};
}

Result<Descriptor> MountedTree::Open(const std::string& path, int flags) {
  TREFOIL_ASSIGN(const Place place, Find(path));
  Descriptor file(openat(place.directory.get(), place.name.c_str(),
                         flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) return Failed("open", path);
  return file;
}

Result<NodeFacts> MountedTree::Look(const std::string& path) {
  TREFOIL_ASSIGN(const Place place, Find(path));
  struct statx st {};
  if (statx(place.directory.get(), place.name.c_str(), AT_SYMLINK_NOFOLLOW,
            STATX_BASIC_STATS | STATX_BTIME, &st) != 0) {
    return Failed("stat", path);
  }
  const auto nanos = [](const statx_timestamp& time) {
    return time.tv_sec * kNanosPerSecond + time.tv_nsec;
  };
  NodeFacts facts;
  facts.inode = st.stx_ino & kInodeMask;
  facts.mode = st.stx_mode;
  facts.nlink = st.stx_nlink;
  facts.uid = st.stx_uid;
  facts.gid = st.stx_gid;
  // As the kernel's new_encode_dev.
  facts.rdev = (st.stx_rdev_minor & 0xff) | (st.stx_rdev_major << 8) |
               ((st.stx_rdev_minor & ~0xffU) << 12);
  facts.size_bytes = st.stx_size;
  facts.atime_nanos = nanos(st.stx_atime);
  facts.mtime_nanos = nanos(st.stx_mtime);
  facts.ctime_nanos = nanos(st.stx_ctime);
  const bool has_btime = (st.stx_mask & STATX_BTIME) != 0;
  facts.btime_nanos = has_btime ? nanos(st.stx_btime) : 0;
  TREFOIL_TRY(AddXattrs(place, path, &facts));
  return facts;
}

Status MountedTree::AddXattrs(const Place& place, const std::string& path,
                              NodeFacts* facts) {
  const std::string at = "/proc/self/fd/" +
                         std::to_string(place.directory.get()) + "/" +
                         place.name;
  std::string list(kMaxXattrValueBytes, '\0');
  const ssize_t length = llistxattr(at.c_str(), list.data(), list.size());
  if (length < 0) return Failed("listxattr", path);
  list.resize(static_cast<size_t>(length));
  for (const std::string& name : SplitNames(list)) {
    std::string value(kMaxXattrValueBytes, '\0');
    const ssize_t size =
        lgetxattr(at.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) return Failed("getxattr", path);
    value.resize(static_cast<size_t>(size));
    facts->xattrs.emplace(name, std::move(value));
  }
  return OkStatus();
}

Result<std::vector<TreeEntry>> MountedTree::List(const std::string& path) {
  TREFOIL_ASSIGN(const Place place, Find(path));
  const int fd = openat(place.directory.get(), place.name.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* const directory = fd < 0 ? nullptr : fdopendir(fd);
  if (directory == nullptr) return Failed("open", path);
  std::vector<TreeEntry> entries;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == kSnapshotsName) continue;
    entries.push_back({std::string(name), entry->d_type == DT_DIR});
  }
  const Status read = errno == 0 ? OkStatus() : Failed("list", path);
  closedir(directory);
  TREFOIL_TRY(read);
  Sort(&entries);
  return entries;
}

Result<std::string> MountedTree::ReadLink(const std::string& path) {
  TREFOIL_ASSIGN(const Place place, Find(path));
  std::string target(kMaxSymlinkBytes + 1, '\0');
  const ssize_t length = readlinkat(place.directory.get(), place.name.c_str(),
                                    target.data(), target.size());
  if (length < 0) return Failed("readlink", path);
  target.resize(static_cast<size_t>(length));
  return target;
}

Status MountedTree::Read(const std::string& path, const VisitBytes& visit) {
  TREFOIL_ASSIGN(const Descriptor file, Open(path, O_RDONLY));
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return Failed("read", path);
    if (got == 0) return OkStatus();
    TREFOIL_TRY(visit({buffer.data(), static_cast<size_t>(got)}));
  }
}

class VolumeTree final : public TreeView {
 public:
  VolumeTree(Volume& volume, NodeId root) : volume_(volume), root_(root) {}

  Result<NodeFacts> Look(const std::string& path) override;
  Result<std::vector<TreeEntry>> List(const std::string& path) override;
  Result<std::string> ReadLink(const std::string& path) override;
  Status Read(const std::string& path, const VisitBytes& visit) override;

 private:
  Result<NodeId> Find(const std::string& path);

  Volume& volume_;
  const NodeId root_;
};

// A reference that a look-up took. Nobody changes the volume: the node stays.
Result<NodeId> FindIn(Volume& volume, NodeId directory,
                      const std::string& name) {
  TREFOIL_ASSIGN(const Entry entry, volume.Lookup(directory, name));
  volume.Forget(entry.attr.node, 1);
  return entry.attr.node;
}

Result<NodeId> VolumeTree::Find(const std::string& path) {
  NodeId node = root_;
  std::string_view rest = path;
  while (!rest.empty()) {
    auto next = FindIn(volume_, node, TakeName(&rest));
    if (!next.ok()) return next.status().WithContext("/" + path);
    node = *next;
  }
  return node;
}

Result<NodeFacts> VolumeTree::Look(const std::string& path) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  TREFOIL_ASSIGN(const Attr attr, volume_.GetAttr(node));
  NodeFacts facts;
  facts.inode = node.inode().value;
  facts.mode = attr.mode;
  facts.nlink = attr.nlink;
  facts.uid = attr.uid;
  facts.gid = attr.gid;
  facts.rdev = attr.rdev;
  facts.size_bytes = attr.size_bytes;
  facts.atime_nanos = attr.atime_nanos;
  facts.mtime_nanos = attr.mtime_nanos;
  facts.ctime_nanos = attr.ctime_nanos;
  facts.btime_nanos = attr.btime_nanos;
  TREFOIL_ASSIGN(const std::string list,
                 volume_.ListXattr(node, geteuid() == 0));
  for (const std::string& name : SplitNames(list)) {
    TREFOIL_ASSIGN(std::string value, volume_.GetXattr(node, name));
    facts.xattrs.emplace(name, std::move(value));
  }
  return facts;
}

Result<std::vector<TreeEntry>> VolumeTree::List(const std::string& path) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  std::vector<TreeEntry> entries;
  TREFOIL_TRY(volume_.ReadDirectory(node, 0, [&](const DirectoryItem& item) {
    if (item.name != "." && item.name != "..") {
      entries.push_back({std::string(item.name), S_ISDIR(item.attr.mode)});
    }
    return true;
  }));
  Sort(&entries);
  return entries;
}

Result<std::string> VolumeTree::ReadLink(const std::string& path) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  return volume_.ReadLink(node);
}

Status VolumeTree::Read(const std::string& path, const VisitBytes& visit) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  std::string buffer(kReadBytes, '\0');
  for (uint64_t offset = 0;;) {
    const auto got = volume_.Read(node, offset, {buffer.data(), buffer.size()});
    // An application is told EIO, the volume knows why.
    if (!got.ok()) {
      return got.status().WithContext(volume_.status().last_error);
    }
    if (*got == 0) return OkStatus();
    TREFOIL_TRY(visit({buffer.data(), *got}));
    offset += *got;
  }
}

}  // namespace

bool IsMissing(const Status& error) {
  return error.posix_errno() == ENOENT || error.posix_errno() == ENOTDIR;
}

Result<std::unique_ptr<TreeView>> OpenMountedTree(const std::string& root) {
  Descriptor directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return Status::FromErrno(errno, "open " + root);
  return std::unique_ptr<TreeView>(
      std::make_unique<MountedTree>(std::move(directory), root));
}

Result<std::unique_ptr<TreeView>> OpenVolumeTree(Volume& volume,
                                                 const std::string& snapshot) {
  NodeId root = kRootNode;
  if (!snapshot.empty()) {
    TREFOIL_ASSIGN(const NodeId snapshots,
                   FindIn(volume, kRootNode, std::string(kSnapshotsName)));
    TREFOIL_ASSIGN(root, FindIn(volume, snapshots, snapshot));
  }
  return std::unique_ptr<TreeView>(std::make_unique<VolumeTree>(volume, root));
}

}  // namespace trefoil
