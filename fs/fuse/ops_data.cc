// SPDX-License-Identifier: Apache-2.0
// Requests about the bytes of files.
//
// OPEN is answered ENOSYS once, and FLUSH has no handler (which is ENOSYS
// too): the kernel then opens and closes files without asking, keeps their
// pages across opens, and sends O_TRUNC as a truncation of its own. After each
// O_SYNC write, a direct one too, it sends FSYNC.
#include <algorithm>

#include "fs/fuse/request.h"

namespace trefoil {
namespace {

// A reply carries the number of bytes copied in 32 bits.
constexpr uint64_t kCopyBytesMax = 1ULL << 30;

void Open(fuse_req_t raw, fuse_ino_t, fuse_file_info*) {
  fuse_reply_err(raw, ENOSYS);
}

void Read(fuse_req_t raw, fuse_ino_t node, size_t size, off_t offset,
          fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    const std::span<char> out = ThreadContext::Current().Buffer(size);
    const Result<size_t> read =
        request.volume().Read(ToNode(node), static_cast<uint64_t>(offset), out);
    if (!read.ok()) return request.Done(read.status());
    request.Bytes({out.data(), *read});
  });
}

// The kernel lets a file of a snapshot be opened and mapped for writing, since
// it does not ask. What is stored there it learns to be refused too late: every
// reader would see it until the pages go.
void KeepSnapshotsTrue(NodeId node) {
  if (node.snapshot() == kLiveTree) return;
  ThreadContext::Current().stale_pages = node;
}

void Write(fuse_req_t raw, fuse_ino_t node, const char* data, size_t size,
           off_t offset, fuse_file_info* file) {
  const bool from_mapping = file->writepage;
  Request::Handle(raw, [=](Request& request) {
    const Status status = request.volume().Write(
        ToNode(node), static_cast<uint64_t>(offset), {data, size},
        request.SetIds(ThreadContext::Current().head.kills_set_id));
    if (!status.ok()) {
      request.Done(status);
      if (from_mapping) KeepSnapshotsTrue(ToNode(node));
      return;
    }
    request.DropModeIfCleared(ToNode(node));
    request.Count(size);
  });
}

void Sync(fuse_req_t raw, fuse_ino_t, int, fuse_file_info*) {
  Request::Handle(
      raw, [](Request& request) { request.Done(request.volume().Sync()); });
}

void Allocate(fuse_req_t raw, fuse_ino_t node, int mode, off_t offset,
              off_t length, fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    const Status status = request.volume().Allocate(
        ToNode(node), mode, static_cast<uint64_t>(offset),
        static_cast<uint64_t>(length),
        request.SetIds(request.IsOrdinaryUser()));
    request.DropModeIfCleared(ToNode(node));
    request.Done(status);
  });
}

void Seek(fuse_req_t raw, fuse_ino_t node, off_t offset, int whence,
          fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    request.Offset(request.volume().Seek(
        ToNode(node), static_cast<uint64_t>(offset), whence));
  });
}

void CopyRange(fuse_req_t raw, fuse_ino_t from, off_t from_offset,
               fuse_file_info*, fuse_ino_t to, off_t to_offset, fuse_file_info*,
               size_t length, int flags) {
  Request::Handle(raw, [=](Request& request) {
    if (flags != 0) return request.Error(EINVAL);
    const Result<uint64_t> copied = request.volume().CopyRange(
        ToNode(from), static_cast<uint64_t>(from_offset), ToNode(to),
        static_cast<uint64_t>(to_offset), std::min(length, kCopyBytesMax),
        request.SetIds(request.IsOrdinaryUser()));
    if (!copied.ok()) return request.Done(copied.status());
    request.DropModeIfCleared(ToNode(to));
    request.Count(*copied);
  });
}

}  // namespace

void AddDataOperations(fuse_lowlevel_ops& ops) {
  ops.open = Open;
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Sync;
  ops.fallocate = Allocate;
  ops.lseek = Seek;
  ops.copy_file_range = CopyRange;
}

}  // namespace trefoil
