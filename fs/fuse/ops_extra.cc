// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/ops_extra.h"

#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <cerrno>

#include "fs/fuse/request.h"

namespace trefoil {
namespace {

// False when the kernel did not take the message.
bool Send(int fd, uint64_t unique, int code, void* body, size_t size) {
  fuse_out_header header{};
  header.unique = unique;
  header.error = code;
  header.len = static_cast<uint32_t>(sizeof(header) + size);
  const iovec parts[] = {{&header, sizeof(header)}, {body, size}};
  return writev(fd, parts, 2) == static_cast<ssize_t>(header.len);
}

bool Answer(int fd, uint64_t unique, int error, void* body, size_t size) {
  return Send(fd, unique, -error, body, size);
}

// A failure says that the kernel does not know the inode.
void NotifyInode(int fd, NodeId node, int64_t from_offset) {
  fuse_notify_inval_inode_out body{};
  body.ino = node.value;
  body.off = from_offset;
  Send(fd, 0, FUSE_NOTIFY_INVAL_INODE, &body, sizeof(body));
}

fuse_attr ToFuseAttr(const struct stat& st) {
  fuse_attr attr{};
  attr.ino = st.st_ino;
  attr.size = static_cast<uint64_t>(st.st_size);
  attr.blocks = static_cast<uint64_t>(st.st_blocks);
  attr.atime = static_cast<uint64_t>(st.st_atim.tv_sec);
  attr.mtime = static_cast<uint64_t>(st.st_mtim.tv_sec);
  attr.ctime = static_cast<uint64_t>(st.st_ctim.tv_sec);
  attr.atimensec = static_cast<uint32_t>(st.st_atim.tv_nsec);
  attr.mtimensec = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  attr.ctimensec = static_cast<uint32_t>(st.st_ctim.tv_nsec);
  attr.mode = st.st_mode;
  attr.nlink = static_cast<uint32_t>(st.st_nlink);
  attr.uid = st.st_uid;
  attr.gid = st.st_gid;
  attr.blksize = static_cast<uint32_t>(st.st_blksize);
  return attr;
}

statx_timestamp ToStatxTime(const timespec& time) {
  statx_timestamp out{};
  out.tv_sec = time.tv_sec;
  out.tv_nsec = static_cast<uint32_t>(time.tv_nsec);
  return out;
}

struct statx ToStatx(const Attr& attr) {
  const struct stat st = ToStat(attr);
  struct statx out {};
  out.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  out.stx_blksize = static_cast<uint32_t>(st.st_blksize);
  out.stx_nlink = attr.nlink;
  out.stx_uid = attr.uid;
  out.stx_gid = attr.gid;
  out.stx_mode = static_cast<uint16_t>(attr.mode);
  out.stx_ino = attr.node.value;
  out.stx_size = attr.size_bytes;
  out.stx_blocks = attr.blocks_512;
  out.stx_atime = ToStatxTime(st.st_atim);
  out.stx_btime = ToStatxTime(ToTimespec(attr.btime_nanos));
  out.stx_ctime = ToStatxTime(st.st_ctim);
  out.stx_mtime = ToStatxTime(st.st_mtim);
  // In the kernel's encoding of 32 bits, as in a fuse_attr.
  out.stx_rdev_major = (attr.rdev & 0xfff00) >> 8;
  out.stx_rdev_minor = (attr.rdev & 0xff) | ((attr.rdev >> 12) & 0xfff00);
  return out;
}

int ServeTmpFile(Volume& volume, int fd, std::span<const char> message) {
  const fuse_in_header header = HeaderOf(message);
  const auto argument = ArgumentOf<fuse_create_in>(message);
  const NodeId directory{header.nodeid};
  const Result<Entry> made = volume.MakeUnnamed(
      directory, argument.mode, {header.uid, header.gid, argument.umask});
  if (!made.ok()) return made.status().posix_errno();
  struct {
    fuse_entry_out entry;
    fuse_open_out open;
  } body{};
  const fuse_entry_param param = ToEntry(directory, made->attr);
  body.entry.nodeid = param.ino;
  body.entry.generation = param.generation;
  body.entry.entry_valid = static_cast<uint64_t>(param.entry_timeout);
  body.entry.attr_valid = static_cast<uint64_t>(param.attr_timeout);
  body.entry.attr = ToFuseAttr(param.attr);
  body.open.open_flags = FOPEN_KEEP_CACHE;
  if (!Answer(fd, header.unique, 0, &body, sizeof(body))) {
    volume.Forget(made->attr.node, 1);
  }
  return 0;
}

int ServeStatx(Volume& volume, int fd, std::span<const char> message) {
  const fuse_in_header header = HeaderOf(message);
  const NodeId node{header.nodeid};
  const Result<Attr> attr = volume.GetAttr(node);
  if (!attr.ok()) return attr.status().posix_errno();
  StatxOut body{};
  body.attr_valid = static_cast<uint64_t>(AttrTimeout(node));
  body.stat = ToStatx(*attr);
  Answer(fd, header.unique, 0, &body, sizeof(body));
  return 0;
}

}  // namespace

void NotifyAttributes(int fd, NodeId node) {
  constexpr int64_t kNoPages = -1;
  NotifyInode(fd, node, kNoPages);
}

void NotifyPages(int fd, NodeId node) { NotifyInode(fd, node, 0); }

bool ServeExtra(Volume& volume, int fd,
                std::span<const char> message) noexcept {
  const RequestKind kind = PeekRequest(message).kind;
  int error = 0;
  try {
    if (kind == RequestKind::kTmpFile) {
      error = ServeTmpFile(volume, fd, message);
    } else if (kind == RequestKind::kStatx) {
      error = ServeStatx(volume, fd, message);
    } else {
      return false;
    }
  } catch (...) {
    error = ENOMEM;
  }
  if (error != 0) Answer(fd, HeaderOf(message).unique, error, nullptr, 0);
  return true;
}

}  // namespace trefoil
