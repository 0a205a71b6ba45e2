// SPDX-License-Identifier: Apache-2.0
#include "tests/support/model_tree.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace trefoil {

namespace {

constexpr uint64_t kRoot = 1;

}  // namespace

ModelTree::ModelTree(const Attr& root) {
  auto inode = std::make_shared<Inode>();
  inode->mode = root.mode;
  inode->nlink = root.nlink;
  inode->uid = root.uid;
  inode->gid = root.gid;
  inode->atime_nanos = root.atime_nanos;
  inode->mtime_nanos = root.mtime_nanos;
  inode->ctime_nanos = root.ctime_nanos;
  inode->parent = kRoot;
  inodes_[kRoot] = std::move(inode);
}

ModelTree::Place ModelTree::Find(const std::string& path) const {
  Place place;
  place.directory = place.inode = kRoot;
  for (size_t from = 0; from < path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    if (place.inode == 0) return {ENOENT, 0, {}, 0};
    const Inode& directory = At(place.inode);
    if (!S_ISDIR(directory.mode)) return {ENOTDIR, 0, {}, 0};
    place.directory = place.inode;
    place.name = path.substr(from, to - from);
    const auto found = directory.entries.find(place.name);
    place.inode = found == directory.entries.end() ? 0 : found->second;
    from = to + 1;
  }
  return place;
}

// The inode, for this tree alone.
ModelTree::Inode& ModelTree::Change(Number number) {
  auto copy = std::make_shared<Inode>(At(number));
  Inode& changed = *copy;
  inodes_[number] = std::move(copy);
  return changed;
}

void ModelTree::Touch(Number directory, int64_t now, int links) {
  Inode& inode = Change(directory);
  inode.mtime_nanos = inode.ctime_nanos = now;
  inode.nlink = static_cast<uint32_t>(static_cast<int>(inode.nlink) + links);
}

// One name less.
void ModelTree::Drop(Number number, int64_t now) {
  Inode& inode = Change(number);
  inode.ctime_nanos = now;
  if (S_ISDIR(inode.mode) || --inode.nlink == 0) inodes_.erase(number);
}

void ModelTree::SetContent(Inode& inode, std::string data) {
  auto bytes = std::make_shared<Bytes>();
  bytes->hash = Xxh3(data);
  bytes->data = std::move(data);
  inode.content = std::move(bytes);
}

int ModelTree::Make(const std::string& path, uint32_t mode,
                    std::string_view target, const Caller& caller,
                    int64_t now) {
  const Place place = Find(path);
  if (place.error != 0) return place.error;
  if (place.inode != 0) return EEXIST;
  const bool is_directory = S_ISDIR(mode);
  const Inode& parent = At(place.directory);
  auto inode = std::make_shared<Inode>();
  inode->mode = S_ISLNK(mode) ? S_IFLNK | 0777 : mode & ~caller.umask;
  inode->nlink = is_directory ? 2 : 1;
  inode->uid = caller.uid;
  inode->gid = caller.gid;
  if ((parent.mode & S_ISGID) != 0) {
    inode->gid = parent.gid;
    if (is_directory) inode->mode |= S_ISGID;
  }
  inode->atime_nanos = inode->mtime_nanos = inode->ctime_nanos = now;
  inode->parent = place.directory;
  SetContent(*inode, std::string(target));
  inodes_[next_] = std::move(inode);
  Change(place.directory).entries[place.name] = next_++;
  Touch(place.directory, now, is_directory ? 1 : 0);
  return 0;
}

int ModelTree::Link(const std::string& from, const std::string& to,
                    int64_t now) {
  const Place source = Find(from);
  const Place place = Find(to);
  if (source.error != 0) return source.error;
  if (source.inode == 0) return ENOENT;
  if (place.error != 0) return place.error;
  if (S_ISDIR(At(source.inode).mode)) return EPERM;
  if (place.inode != 0) return EEXIST;
  Inode& inode = Change(source.inode);
  ++inode.nlink;
  inode.ctime_nanos = now;
  Change(place.directory).entries[place.name] = source.inode;
  Touch(place.directory, now, 0);
  return 0;
}

int ModelTree::Remove(const std::string& path, bool directory, int64_t now) {
  const Place place = Find(path);
  if (place.error != 0) return place.error;
  if (place.inode == 0) return ENOENT;
  const Inode& inode = At(place.inode);
  if (S_ISDIR(inode.mode) != directory) return directory ? ENOTDIR : EISDIR;
  if (!inode.entries.empty()) return ENOTEMPTY;
  Change(place.directory).entries.erase(place.name);
  Touch(place.directory, now, directory ? -1 : 0);
  Drop(place.inode, now);
  return 0;
}

bool ModelTree::IsBelow(Number inner, Number directory) const {
  for (; inner != kRoot; inner = At(inner).parent) {
    if (inner == directory) return true;
  }
  return false;
}

int ModelTree::Replaceable(const Inode& from, const Place& to) const {
  if (to.inode == 0) return 0;
  const Inode& target = At(to.inode);
  if (S_ISDIR(from.mode) && !S_ISDIR(target.mode)) return ENOTDIR;
  if (!S_ISDIR(from.mode) && S_ISDIR(target.mode)) return EISDIR;
  return target.entries.empty() ? 0 : ENOTEMPTY;
}

int ModelTree::Rename(const std::string& from_path, const std::string& to_path,
                      uint32_t flags, int64_t now) {
  const Place from = Find(from_path);
  const Place to = Find(to_path);
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (from.error != 0) return from.error;
  if (to.error != 0) return to.error;
  if (from.inode == 0) return ENOENT;
  if (to.inode != 0 && (flags & RENAME_NOREPLACE) != 0) return EEXIST;
  if (to.inode == 0 && exchange) return ENOENT;
  if (to.inode == from.inode) return 0;
  const Inode& moved = At(from.inode);
  const bool moves_directory = S_ISDIR(moved.mode);
  if (moves_directory && IsBelow(to.directory, from.inode)) return EINVAL;
  if (exchange) {
    if (S_ISDIR(At(to.inode).mode) && IsBelow(from.directory, to.inode)) {
      return EINVAL;
    }
    Exchange(from, to, now);
    return 0;
  }
  if (const int error = Replaceable(moved, to); error != 0) return error;
  int links = moves_directory ? 1 : 0;
  if (to.inode != 0) {
    if (S_ISDIR(At(to.inode).mode)) --links;
    Drop(to.inode, now);
  }
  Inode& inode = Change(from.inode);
  inode.ctime_nanos = now;
  inode.parent = to.directory;
  Change(from.directory).entries.erase(from.name);
  Touch(from.directory, now, moves_directory ? -1 : 0);
  Change(to.directory).entries[to.name] = from.inode;
  Touch(to.directory, now, links);
  return 0;
}

void ModelTree::Exchange(const Place& from, const Place& to, int64_t now) {
  Inode& first = Change(from.inode);
  Inode& second = Change(to.inode);
  first.ctime_nanos = second.ctime_nanos = now;
  first.parent = to.directory;
  second.parent = from.directory;
  const int moved =
      (S_ISDIR(first.mode) ? 1 : 0) - (S_ISDIR(second.mode) ? 1 : 0);
  Change(from.directory).entries[from.name] = to.inode;
  Touch(from.directory, now, -moved);
  Change(to.directory).entries[to.name] = from.inode;
  Touch(to.directory, now, moved);
}

int ModelTree::Write(const std::string& path, uint64_t offset,
                     std::string_view data, int64_t now) {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) {
    return place.error != 0 ? place.error : ENOENT;
  }
  if (data.empty()) return 0;
  if (S_ISDIR(At(place.inode).mode)) return EISDIR;
  if (!S_ISREG(At(place.inode).mode)) return EINVAL;
  Inode& inode = Change(place.inode);
  std::string bytes = inode.content->data;
  bytes.resize(std::max<uint64_t>(bytes.size(), offset + data.size()), '\0');
  bytes.replace(offset, data.size(), data);
  SetContent(inode, std::move(bytes));
  inode.mtime_nanos = inode.ctime_nanos = now;
  return 0;
}

int ModelTree::SetAttr(const std::string& path, const AttrChange& change,
                       int64_t now) {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) {
    return place.error != 0 ? place.error : ENOENT;
  }
  const Inode& before = At(place.inode);
  if (change.mode && S_ISLNK(before.mode)) return EOPNOTSUPP;
  if (change.size_bytes && S_ISDIR(before.mode)) return EISDIR;
  if (change.size_bytes && !S_ISREG(before.mode)) return EINVAL;
  Inode& inode = Change(place.inode);
  if (change.uid) inode.uid = *change.uid;
  if (change.gid) inode.gid = *change.gid;
  if (change.mode) {
    inode.mode = (inode.mode & S_IFMT) | (*change.mode & 07777);
  }
  if (change.size_bytes) {
    std::string bytes = inode.content->data;
    bytes.resize(*change.size_bytes, '\0');
    SetContent(inode, std::move(bytes));
    inode.mtime_nanos = now;
  }
  if (change.atime_nanos) inode.atime_nanos = *change.atime_nanos;
  if (change.mtime_nanos) inode.mtime_nanos = *change.mtime_nanos;
  inode.ctime_nanos = now;
  return 0;
}

int ModelTree::SetXattr(const std::string& path, const std::string& name,
                        std::string_view value, XattrFlags flags, int64_t now) {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) {
    return place.error != 0 ? place.error : ENOENT;
  }
  const bool exists = At(place.inode).xattrs.contains(name);
  if (exists && flags.create) return EEXIST;
  if (!exists && flags.replace) return ENODATA;
  Inode& inode = Change(place.inode);
  inode.xattrs[name] = value;
  inode.ctime_nanos = now;
  return 0;
}

int ModelTree::RemoveXattr(const std::string& path, const std::string& name,
                           int64_t now) {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) {
    return place.error != 0 ? place.error : ENOENT;
  }
  if (!At(place.inode).xattrs.contains(name)) return ENODATA;
  Inode& inode = Change(place.inode);
  inode.xattrs.erase(name);
  inode.ctime_nanos = now;
  return 0;
}

int ModelTree::Allocate(const std::string& path, int mode, uint64_t offset,
                        uint64_t length, int64_t now) {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) {
    return place.error != 0 ? place.error : ENOENT;
  }
  if (length == 0) return EINVAL;
  if (!S_ISREG(At(place.inode).mode)) return ENODEV;
  Inode& inode = Change(place.inode);
  std::string bytes = inode.content->data;
  const uint64_t end = std::min<uint64_t>(offset + length, bytes.size());
  const bool clears =
      (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  if (clears && offset < end)
    bytes.replace(offset, end - offset, end - offset, '\0');
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && offset + length > bytes.size()) {
    bytes.resize(offset + length, '\0');
  }
  SetContent(inode, std::move(bytes));
  inode.mtime_nanos = inode.ctime_nanos = now;
  return 0;
}

std::shared_ptr<const std::string> ModelTree::Content(
    const std::string& path) const {
  const Place place = Find(path);
  if (place.error != 0 || place.inode == 0) return nullptr;
  const Inode& inode = At(place.inode);
  if (!S_ISREG(inode.mode)) return nullptr;
  return {inode.content, &inode.content->data};
}

uint32_t ModelTree::ModeOf(const std::string& path) const {
  const Place place = Find(path);
  return place.error != 0 || place.inode == 0 ? 0 : At(place.inode).mode;
}

std::vector<std::string> ModelTree::Paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, file] : Show()) {
    if (!path.empty()) paths.push_back(path);
  }
  return paths;
}

ShownTree ModelTree::Show() const {
  ShownTree shown;
  std::map<Number, std::string> first;
  ShowInto("", kRoot, &first, &shown);
  return shown;
}

void ModelTree::ShowInto(const std::string& path, Number number,
                         std::map<Number, std::string>* first,
                         ShownTree* shown) const {
  const Inode& inode = At(number);
  ShownFile file;
  file.mode = inode.mode;
  file.nlink = inode.nlink;
  file.uid = inode.uid;
  file.gid = inode.gid;
  file.atime_nanos = inode.atime_nanos;
  file.mtime_nanos = inode.mtime_nanos;
  file.ctime_nanos = inode.ctime_nanos;
  if (inode.content != nullptr &&
      (S_ISREG(inode.mode) || S_ISLNK(inode.mode))) {
    file.size_bytes = inode.content->data.size();
    file.content_hash = inode.content->hash;
  }
  file.same_as = first->try_emplace(number, path).first->second;
  file.xattrs = inode.xattrs;
  shown->emplace(path, std::move(file));
  for (const auto& [name, child] : inode.entries) {
    ShowInto(path.empty() ? name : path + "/" + name, child, first, shown);
  }
}

}  // namespace trefoil
