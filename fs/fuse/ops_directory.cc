// SPDX-License-Identifier: Apache-2.0
// Requests about directories as streams of entries.
//
// OPENDIR is answered although the kernel would do without: what it does then
// is to cache listings, and a reader that continues behind an entry which was
// removed meanwhile finds the end there instead of the rest.
#include <algorithm>
#include <array>
#include <vector>

#include "fs/fuse/request.h"

namespace trefoil {
namespace {

// A directory listing being put together in the thread's buffer.
class Listing {
 public:
  Listing(Request& request, NodeId directory, size_t size)
      : request_(request),
        directory_(directory),
        out_(ThreadContext::Current().Buffer(size)) {}

  // False when there is no room for `item`.
  bool Add(const DirectoryItem& item) {
    const struct stat st = ToStat(item.attr);
    return Took(fuse_add_direntry(request_.raw(), Room(), RoomBytes(),
                                  Name(item), &st, Cookie(item)));
  }
  // The same with all attributes; the kernel takes a reference to each node
  // but `.` and `..`.
  bool AddPlus(const DirectoryItem& item) {
    const fuse_entry_param entry = ToEntry(directory_, item.attr);
    if (!Took(fuse_add_direntry_plus(request_.raw(), Room(), RoomBytes(),
                                     Name(item), &entry, Cookie(item)))) {
      return false;
    }
    if (item.name != "." && item.name != "..") taken_.push_back(item.attr.node);
    return true;
  }

  [[nodiscard]] std::string_view bytes() const { return {out_.data(), used_}; }
  [[nodiscard]] const std::vector<NodeId>& taken() const { return taken_; }

 private:
  char* Room() { return out_.data() + used_; }
  [[nodiscard]] size_t RoomBytes() const { return out_.size() - used_; }
  static off_t Cookie(const DirectoryItem& item) {
    return static_cast<off_t>(item.next_cookie);
  }
  const char* Name(const DirectoryItem& item) {
    const size_t size = std::min(item.name.size(), name_.size() - 1);
    std::copy_n(item.name.data(), size, name_.data());
    name_[size] = '\0';
    return name_.data();
  }
  bool Took(size_t needed) {
    if (needed > RoomBytes()) return false;
    used_ += needed;
    return true;
  }

  Request& request_;
  const NodeId directory_;
  std::span<char> out_;
  size_t used_ = 0;
  std::array<char, kMaxNameBytes + 1> name_;
  std::vector<NodeId> taken_;
};

void OpenDirectory(fuse_req_t raw, fuse_ino_t, fuse_file_info* info) {
  info->cache_readdir = 0;
  fuse_reply_open(raw, info);
}

void ReadDirectory(fuse_req_t raw, fuse_ino_t node, size_t size, off_t cookie,
                   fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    Listing listing(request, ToNode(node), size);
    const Status status = request.volume().ReadDirectory(
        ToNode(node), static_cast<uint64_t>(cookie),
        [&](const DirectoryItem& item) { return listing.Add(item); });
    if (!status.ok()) return request.Done(status);
    request.Bytes(listing.bytes());
  });
}

void ReadDirectoryPlus(fuse_req_t raw, fuse_ino_t node, size_t size,
                       off_t cookie, fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    Listing listing(request, ToNode(node), size);
    const Status status = request.volume().ReadDirectoryPlus(
        ToNode(node), static_cast<uint64_t>(cookie),
        [&](const DirectoryItem& item) { return listing.AddPlus(item); });
    if (status.ok() && request.Bytes(listing.bytes())) return;
    for (const NodeId taken : listing.taken()) {
      request.volume().Forget(taken, 1);
    }
    if (!status.ok()) request.Done(status);
  });
}

void SyncDirectory(fuse_req_t raw, fuse_ino_t, int, fuse_file_info*) {
  Request::Handle(
      raw, [](Request& request) { request.Done(request.volume().Sync()); });
}

}  // namespace

void AddDirectoryOperations(fuse_lowlevel_ops& ops) {
  ops.opendir = OpenDirectory;
  ops.readdir = ReadDirectory;
  ops.readdirplus = ReadDirectoryPlus;
  ops.fsyncdir = SyncDirectory;
}

}  // namespace trefoil
