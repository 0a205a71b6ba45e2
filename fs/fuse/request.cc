// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/request.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "fs/fuse/ops_extra.h"

namespace trefoil {
namespace {

constexpr double kForADay = 86400;
// Snapshots come and go without the kernel's doing.
constexpr double kForAMoment = 1;
constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr uint64_t kStatfsUnit = 4096;
constexpr int kMaxGroups = 65536;  // NGROUPS_MAX of Linux

bool IsSnapshotList(NodeId node) {
  return node.snapshot() == kSnapshotsDirectory;
}

}  // namespace

timespec ToTimespec(int64_t nanos) {
  int64_t seconds = nanos / kNanosPerSecond;
  int64_t rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    --seconds;
    rest += kNanosPerSecond;
  }
  return {seconds, rest};
}

double AttrTimeout(NodeId node) {
  return IsSnapshotList(node) ? kForAMoment : kForADay;
}

std::span<char> ThreadContext::Buffer(size_t bytes) {
  if (bytes > buffer_bytes) {
    buffer = std::make_unique_for_overwrite<char[]>(bytes);
    buffer_bytes = bytes;
  }
  return {buffer.get(), bytes};
}

ThreadContext& ThreadContext::Current() {
  thread_local ThreadContext context;
  return context;
}

struct stat ToStat(const Attr& attr) {
  struct stat st {};
  st.st_ino = attr.node.value;
  st.st_mode = attr.mode;
  st.st_nlink = attr.nlink;
  st.st_uid = attr.uid;
  st.st_gid = attr.gid;
  st.st_rdev = attr.rdev;  // libfuse passes the kernel's encoding through
  st.st_size = static_cast<off_t>(attr.size_bytes);
  st.st_blksize = 4096;
  st.st_blocks = static_cast<blkcnt_t>(attr.blocks_512);
  st.st_atim = ToTimespec(attr.atime_nanos);
  st.st_mtim = ToTimespec(attr.mtime_nanos);
  st.st_ctim = ToTimespec(attr.ctime_nanos);
  return st;
}

fuse_entry_param ToEntry(NodeId directory, const Attr& attr) {
  fuse_entry_param entry{};
  entry.ino = attr.node.value;
  entry.generation = 1;  // inode numbers are never reused
  entry.attr = ToStat(attr);
  entry.attr_timeout = AttrTimeout(attr.node);
  entry.entry_timeout = IsSnapshotList(directory) || IsSnapshotList(attr.node)
                            ? kForAMoment
                            : kForADay;
  return entry;
}

bool AbsenceLasts(NodeId directory) { return !IsSnapshotList(directory); }

Request::Request(fuse_req_t request)
    : request_(request),
      volume_(*static_cast<Volume*>(fuse_req_userdata(request))) {}

Caller Request::caller() const {
  const fuse_ctx* context = fuse_req_ctx(request_);
  return {context->uid, context->gid, context->umask};
}

bool Request::IsOrdinaryUser() const {
  return fuse_req_ctx(request_)->uid != 0;
}

SetIdRule Request::SetIds(bool kills) {
  if (!kills) return {};
  const auto in_group = [this](uint32_t gid) {
    const fuse_ctx* context = fuse_req_ctx(request_);
    if (context->uid == 0 || context->gid == gid) return true;
    std::vector<gid_t> groups(kMaxGroups);
    const int count = fuse_req_getgroups(request_, kMaxGroups, groups.data());
    groups.resize(static_cast<size_t>(std::clamp(count, 0, kMaxGroups)));
    return std::find(groups.begin(), groups.end(), gid) != groups.end();
  };
  return {in_group, [this] { set_ids_cleared_ = true; }};
}

void Request::DropModeIfCleared(NodeId node) {
  if (set_ids_cleared_) NotifyAttributes(ThreadContext::Current().fd, node);
}

void Request::Error(int error) { fuse_reply_err(Answer(), error); }

void Request::Entry(NodeId directory, const Result<trefoil::Entry>& entry) {
  if (!entry.ok()) return Done(entry.status());
  const fuse_entry_param param = ToEntry(directory, entry->attr);
  if (fuse_reply_entry(Answer(), &param) != 0) {
    volume_.Forget(entry->attr.node, 1);
  }
}

void Request::Absent() {
  fuse_entry_param param{};
  param.entry_timeout = kForADay;
  fuse_reply_entry(Answer(), &param);
}

void Request::Attributes(const Result<Attr>& attr) {
  if (!attr.ok()) return Done(attr.status());
  const struct stat st = ToStat(*attr);
  fuse_reply_attr(Answer(), &st, AttrTimeout(attr->node));
}

bool Request::Bytes(std::string_view bytes) {
  return fuse_reply_buf(Answer(), bytes.data(), bytes.size()) == 0;
}

void Request::Count(uint64_t count) { fuse_reply_write(Answer(), count); }

void Request::Sized(const Result<std::string>& bytes, size_t size) {
  if (!bytes.ok()) return Done(bytes.status());
  if (size == 0) {
    fuse_reply_xattr(Answer(), bytes->size());
  } else if (bytes->size() > size) {
    Error(ERANGE);
  } else {
    Bytes(*bytes);
  }
}

void Request::Space(const Result<VolumeSpace>& space) {
  if (!space.ok()) return Done(space.status());
  struct statvfs st {};
  st.f_bsize = kStatfsUnit;
  st.f_frsize = kStatfsUnit;
  st.f_blocks = space->total_bytes / kStatfsUnit;
  st.f_bfree = space->free_bytes / kStatfsUnit;
  st.f_bavail = space->available_bytes / kStatfsUnit;
  st.f_files = space->inodes;
  st.f_ffree = space->inodes_free;
  st.f_favail = space->inodes_free;
  st.f_namemax = kMaxNameBytes;
  fuse_reply_statfs(Answer(), &st);
}

void Request::Offset(const Result<uint64_t>& offset) {
  if (!offset.ok()) return Done(offset.status());
  fuse_reply_lseek(Answer(), static_cast<off_t>(*offset));
}

void Request::None() { fuse_reply_none(Answer()); }

}  // namespace trefoil
