// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "fs/base/check.h"

namespace trefoil {
namespace {

// A write further out is a mistake of the test.
constexpr uint64_t kMaxFileBytes = 16ULL << 30;

bool IsZero(std::string_view data) {
  // Each byte equals the next.
  return data.empty() ||
         (data[0] == '\0' &&
          std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

// The sectors of a page that [start, end) touches, a bit for each.
uint8_t SectorsOf(uint64_t start, uint64_t end) {
  uint32_t bits = 0;
  for (uint64_t sector = start / SimDisk::kSectorBytes;
       sector * SimDisk::kSectorBytes < end; ++sector) {
    bits |= 1U << sector;
  }
  return static_cast<uint8_t>(bits);
}

}  // namespace

SimDisk::SimDisk(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  Inode& root = inodes_[kRoot];
  root.is_directory = true;
  root.links = 1;
  root.path = "/";
}

// --- Names -------------------------------------------------------------------

Result<SimDisk::InodeNo> SimDisk::Find(std::string_view path) const {
  InodeNo at = kRoot;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (name.empty() || name == ".") continue;
    const Inode& directory = inodes_.at(at);
    if (!directory.is_directory) return Status::FromErrno(ENOTDIR, path);
    const auto entry = directory.entries.find(std::string(name));
    if (entry == directory.entries.end()) {
      return Status::FromErrno(ENOENT, path);
    }
    at = entry->second;
  }
  return at;
}

Result<std::pair<SimDisk::InodeNo, std::string>> SimDisk::FindParent(
    const std::string& path) const {
  const std::string parent = DirName(path);
  TREFOIL_ASSIGN(const InodeNo directory, Find(parent == "." ? "" : parent));
  if (!inodes_.at(directory).is_directory) {
    return Status::FromErrno(ENOTDIR, parent);
  }
  return std::pair(directory, path.substr(path.rfind('/') + 1));
}

SimDisk::InodeNo SimDisk::NewInode(bool is_directory) {
  const InodeNo inode = next_inode_++;
  inodes_[inode].is_directory = is_directory;
  return inode;
}

void SimDisk::SetEntry(uint64_t operation, InodeNo directory,
                       const std::string& name, InodeNo after) {
  auto& entries = inodes_.at(directory).entries;
  const auto entry = entries.find(name);
  NameChange change{operation, directory, name, 0, after};
  if (entry != entries.end()) {
    change.before = entry->second;
    --inodes_.at(change.before).links;
    entries.erase(entry);
  }
  if (after != 0) {
    entries[name] = after;
    ++inodes_.at(after).links;
  }
  name_changes_.push_back(std::move(change));
}

Result<SimDisk::InodeNo> SimDisk::Create(const std::string& path,
                                         bool exclusive) {
  const Result<InodeNo> found = Find(path);
  if (found.ok()) {
    if (exclusive) return Status::FromErrno(EEXIST, path);
    if (is_directory(*found)) return Status::FromErrno(EISDIR, path);
    return *found;
  }
  TREFOIL_ASSIGN(const auto parent, FindParent(path));
  const InodeNo inode = NewInode(false);
  inodes_.at(inode).path = path;
  SetEntry(next_operation_++, parent.first, parent.second, inode);
  return inode;
}

Status SimDisk::CreateDir(const std::string& path) {
  if (Find(path).ok()) return Status::FromErrno(EEXIST, path);
  TREFOIL_ASSIGN(const auto parent, FindParent(path));
  const InodeNo inode = NewInode(true);
  inodes_.at(inode).path = path;
  SetEntry(next_operation_++, parent.first, parent.second, inode);
  return OkStatus();
}

Status SimDisk::Rename(const std::string& from, const std::string& to) {
  TREFOIL_ASSIGN(const InodeNo inode, Find(from));
  TREFOIL_ASSIGN(const auto source, FindParent(from));
  TREFOIL_ASSIGN(const auto target, FindParent(to));
  const Result<InodeNo> there = Find(to);
  if (there.ok()) {
    if (*there == inode) return OkStatus();
    const Inode& old = inodes_.at(*there);
    if (old.is_directory != is_directory(inode)) {
      return Status::FromErrno(old.is_directory ? EISDIR : ENOTDIR, to);
    }
    if (!old.entries.empty()) return Status::FromErrno(ENOTEMPTY, to);
  }
  const uint64_t operation = next_operation_++;
  SetEntry(operation, target.first, target.second, inode);
  SetEntry(operation, source.first, source.second, 0);
  inodes_.at(inode).path = to;
  if (there.ok()) DropIfUnused(*there);
  return OkStatus();
}

Status SimDisk::Link(const std::string& from, const std::string& to) {
  TREFOIL_ASSIGN(const InodeNo inode, Find(from));
  if (is_directory(inode)) return Status::FromErrno(EPERM, from);
  if (Find(to).ok()) return Status::FromErrno(EEXIST, to);
  TREFOIL_ASSIGN(const auto target, FindParent(to));
  SetEntry(next_operation_++, target.first, target.second, inode);
  inodes_.at(inode).path = to;
  return OkStatus();
}

Status SimDisk::Remove(const std::string& path, bool directory) {
  TREFOIL_ASSIGN(const InodeNo inode, Find(path));
  if (is_directory(inode) != directory) {
    return Status::FromErrno(directory ? ENOTDIR : EISDIR, path);
  }
  if (!inodes_.at(inode).entries.empty()) {
    return Status::FromErrno(ENOTEMPTY, path);
  }
  TREFOIL_ASSIGN(const auto parent, FindParent(path));
  SetEntry(next_operation_++, parent.first, parent.second, 0);
  DropIfUnused(inode);
  return OkStatus();
}

Result<std::vector<DirEntry>> SimDisk::List(const std::string& path) const {
  TREFOIL_ASSIGN(const InodeNo inode, Find(path));
  if (!is_directory(inode)) return Status::FromErrno(ENOTDIR, path);
  std::vector<DirEntry> list;
  for (const auto& [name, child] : inodes_.at(inode).entries) {
    list.push_back({name, is_directory(child)});
  }
  return list;
}

void SimDisk::ApplyDurably(Inode& directory, const NameChange& change) {
  if (change.after != 0) {
    directory.durable_entries[change.name] = change.after;
    return;
  }
  // Of a file that never got there, the removal removes nothing.
  const auto entry = directory.durable_entries.find(change.name);
  if (entry != directory.durable_entries.end() &&
      entry->second == change.before) {
    directory.durable_entries.erase(entry);
  }
}

Status SimDisk::SyncDir(const std::string& path) {
  TREFOIL_ASSIGN(const InodeNo inode, Find(path));
  if (!is_directory(inode)) return Status::FromErrno(ENOTDIR, path);
  Inode& directory = inodes_.at(inode);
  directory.durable_entries = directory.entries;
  const size_t erased = std::erase_if(
      name_changes_,
      [&](const NameChange& change) { return change.directory == inode; });
  if (erased > 0) Sweep();
  return OkStatus();
}

// Forgets inodes that neither programs nor a cut can ever show again.
void SimDisk::Sweep() {
  std::set<InodeNo> needed;
  for (const NameChange& change : name_changes_) {
    needed.insert(change.directory);
    needed.insert(change.before);
    needed.insert(change.after);
  }
  for (const auto& [number, inode] : inodes_) {
    for (const auto& entry : inode.durable_entries) needed.insert(entry.second);
  }
  std::erase_if(inodes_, [&](const auto& item) {
    const Inode& inode = item.second;
    return item.first != kRoot && inode.links == 0 && inode.opens == 0 &&
           !needed.contains(item.first);
  });
}

// --- Files -------------------------------------------------------------------

void SimDisk::Open(InodeNo inode) { ++inodes_.at(inode).opens; }

void SimDisk::Close(InodeNo inode) {
  --inodes_.at(inode).opens;
  DropIfUnused(inode);
}

// Nobody can see it any more: its space is free. A cut may bring it back.
void SimDisk::DropIfUnused(InodeNo number) {
  Inode& inode = inodes_.at(number);
  if (inode.links > 0 || inode.opens > 0 || inode.is_free) return;
  inode.is_free = true;
  used_pages_ -= Allocated(inode);
}

uint64_t SimDisk::Allocated(const Inode& inode) {
  return static_cast<uint64_t>(
      std::count_if(inode.pages.begin(), inode.pages.end(),
                    [](const PageRef& page) { return page != nullptr; }));
}

bool SimDisk::is_directory(InodeNo inode) const {
  return inodes_.at(inode).is_directory;
}

uint64_t SimDisk::size(InodeNo inode) const { return inodes_.at(inode).size; }

const std::string& SimDisk::path_of(InodeNo inode) const {
  return inodes_.at(inode).path;
}

int64_t SimDisk::mtime_nanos(InodeNo inode) const {
  return inodes_.at(inode).mtime_nanos;
}

void SimDisk::set_mtime_nanos(InodeNo inode, int64_t nanos) {
  inodes_.at(inode).mtime_nanos = nanos;
}

size_t SimDisk::Read(InodeNo inode, uint64_t offset,
                     std::span<char> out) const {
  const Inode& file = inodes_.at(inode);
  if (offset >= file.size) return 0;
  const auto length =
      static_cast<size_t>(std::min<uint64_t>(out.size(), file.size - offset));
  for (size_t done = 0; done < length;) {
    const uint64_t page = (offset + done) / kPageBytes;
    const uint64_t start = (offset + done) % kPageBytes;
    const auto part = static_cast<size_t>(
        std::min<uint64_t>(kPageBytes - start, length - done));
    if (page < file.pages.size() && file.pages[page] != nullptr) {
      std::memcpy(out.data() + done, file.pages[page]->data() + start, part);
    } else {
      std::memset(out.data() + done, 0, part);
    }
    done += part;
  }
  return length;
}

const SimDisk::PageRef& SimDisk::Zeros() {
  static const auto* const zeros = new PageRef(std::make_shared<Page>());
  return *zeros;
}

// `old` with `sectors` of `seen`; both may be holes.
SimDisk::PageRef SimDisk::WithSectors(const PageRef& old, const PageRef& seen,
                                      uint8_t sectors) {
  const bool is_nothing_new =
      old == seen || (old == nullptr && seen == Zeros());
  if (is_nothing_new || sectors == kAllSectors) return seen;
  auto mixed = std::make_shared<Page>(old == nullptr ? *Zeros() : *old);
  for (uint64_t sector = 0; sector < kSectorsPerPage; ++sector) {
    if ((sectors >> sector & 1U) == 0) continue;
    std::memcpy(mixed->data() + sector * kSectorBytes,
                seen->data() + sector * kSectorBytes, kSectorBytes);
  }
  return mixed;
}

Status SimDisk::WritePage(Inode& file, uint64_t page, uint64_t start,
                          std::string_view data) {
  if (file.pages.size() <= page) file.pages.resize(page + 1);
  PageRef& slot = file.pages[page];
  if (slot == nullptr) {
    if ((used_pages_ + taken_pages_ + 1) * kPageBytes > capacity_bytes_) {
      return Status::FromErrno(ENOSPC, "write " + file.path);
    }
    ++used_pages_;
    slot = Zeros();
  }
  if (slot != Zeros() || !IsZero(data)) {
    auto changed = std::make_shared<Page>(*slot);
    std::memcpy(changed->data() + start, data.data(), data.size());
    slot = std::move(changed);
  }
  Change change;
  change.sectors = SectorsOf(start, start + data.size());
  change.page = page;
  change.content = slot;
  file.changes.push_back(std::move(change));
  return OkStatus();
}

Status SimDisk::Write(InodeNo inode, uint64_t offset, std::string_view data) {
  Inode& file = inodes_.at(inode);
  if (offset + data.size() > kMaxFileBytes) {
    return Status::FromErrno(EFBIG, "write " + file.path);
  }
  const uint64_t old_size = file.size;
  Status written;
  while (!data.empty()) {
    const uint64_t start = offset % kPageBytes;
    const auto part = static_cast<size_t>(
        std::min<uint64_t>(kPageBytes - start, data.size()));
    written = WritePage(file, offset / kPageBytes, start, data.substr(0, part));
    if (!written.ok()) break;
    offset += part;
    data.remove_prefix(part);
    file.size = std::max(file.size, offset);
  }
  if (file.size != old_size) {
    Change change;
    change.kind = Change::Kind::kSize;
    change.size = file.size;
    file.changes.push_back(std::move(change));
  }
  return written;
}

void SimDisk::Truncate(InodeNo inode, uint64_t size) {
  Inode& file = inodes_.at(inode);
  if (size == file.size) return;
  const uint64_t pages = PagesOf(size);
  while (file.pages.size() > pages) {
    if (file.pages.back() != nullptr) --used_pages_;
    file.pages.pop_back();
  }
  const uint64_t rest = size % kPageBytes;
  if (size < file.size && rest != 0 && file.pages.size() == pages &&
      file.pages.back() != nullptr) {
    auto cut = std::make_shared<Page>(*file.pages.back());
    std::fill(cut->begin() + static_cast<std::ptrdiff_t>(rest), cut->end(),
              '\0');
    file.pages.back() = cut;
    Change change;
    change.sectors = SectorsOf(rest, kPageBytes);
    change.page = pages - 1;
    change.content = std::move(cut);
    file.changes.push_back(std::move(change));
  }
  file.size = size;
  Change change;
  change.kind = Change::Kind::kSize;
  change.size = size;
  file.changes.push_back(std::move(change));
}

void SimDisk::Sync(InodeNo inode) {
  Inode& file = inodes_.at(inode);
  file.durable_size = file.size;
  file.durable_pages.resize(file.pages.size());
  for (const Change& change : file.changes) {
    if (change.kind != Change::Kind::kPage ||
        change.page >= file.pages.size()) {
      continue;
    }
    PageRef& durable = file.durable_pages[change.page];
    const PageRef& seen = file.pages[change.page];
    // What an earlier sync lost is not written by this one.
    durable = !file.diverged || seen == nullptr
                  ? seen
                  : WithSectors(durable, seen, change.sectors);
  }
  file.changes.clear();
}

void SimDisk::FailSync(InodeNo inode, Generator& random) {
  Inode& file = inodes_.at(inode);
  KeepPart(file, Keep::kSome, random);
  file.changes.clear();
  file.diverged = true;
}

void SimDisk::Flip(InodeNo inode, uint64_t offset, char bits) {
  Inode& file = inodes_.at(inode);
  const uint64_t page = offset / kPageBytes;
  for (Pages* pages : {&file.pages, &file.durable_pages}) {
    if (page >= pages->size() || (*pages)[page] == nullptr) continue;
    auto flipped = std::make_shared<Page>(*(*pages)[page]);
    char& byte = (*flipped)[offset % kPageBytes];
    byte = static_cast<char>(byte ^ bits);
    (*pages)[page] = std::move(flipped);
  }
}

SpaceInfo SimDisk::Space() const {
  SpaceInfo space;
  space.total_bytes = capacity_bytes_;
  const uint64_t used = (used_pages_ + taken_pages_) * kPageBytes;
  space.available_bytes = used < capacity_bytes_ ? capacity_bytes_ - used : 0;
  return space;
}

}  // namespace trefoil
