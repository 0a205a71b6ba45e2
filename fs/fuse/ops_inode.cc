// SPDX-License-Identifier: Apache-2.0
// Requests about one inode's attributes, link target and xattrs, and about the
// space that all share.
#include <sys/xattr.h>

#include <limits>

#include "fs/fuse/request.h"

namespace trefoil {
namespace {

// A time of setattr; what 64 bits of nanoseconds can't hold becomes the
// nearest time that they can.
int64_t ToNanos(const timespec& time) {
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  int64_t nanos = 0;
  if (__builtin_mul_overflow(int64_t{time.tv_sec}, kNanosPerSecond, &nanos) ||
      __builtin_add_overflow(nanos, int64_t{time.tv_nsec}, &nanos)) {
    return time.tv_sec < 0 ? std::numeric_limits<int64_t>::min()
                           : std::numeric_limits<int64_t>::max();
  }
  return nanos;
}

// ctime is the volume's own business: FUSE_SET_ATTR_CTIME is ignored.
AttrChange ToChange(const struct stat& st, int to_set) {
  const auto has = [to_set](int flag) { return (to_set & flag) != 0; };
  AttrChange change;
  if (has(FUSE_SET_ATTR_MODE)) change.mode = st.st_mode & 07777;
  if (has(FUSE_SET_ATTR_UID)) change.uid = st.st_uid;
  if (has(FUSE_SET_ATTR_GID)) change.gid = st.st_gid;
  if (has(FUSE_SET_ATTR_SIZE)) {
    change.size_bytes = static_cast<uint64_t>(st.st_size);
  }
  change.atime_now = has(FUSE_SET_ATTR_ATIME_NOW);
  change.mtime_now = has(FUSE_SET_ATTR_MTIME_NOW);
  if (has(FUSE_SET_ATTR_ATIME) && !change.atime_now) {
    change.atime_nanos = ToNanos(st.st_atim);
  }
  if (has(FUSE_SET_ATTR_MTIME) && !change.mtime_now) {
    change.mtime_nanos = ToNanos(st.st_mtim);
  }
  return change;
}

void GetAttr(fuse_req_t raw, fuse_ino_t node, fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    request.Attributes(request.volume().GetAttr(ToNode(node)));
  });
}

void SetAttr(fuse_req_t raw, fuse_ino_t node, struct stat* st, int to_set,
             fuse_file_info*) {
  Request::Handle(raw, [=](Request& request) {
    AttrChange change = ToChange(*st, to_set);
    change.set_id = request.SetIds(ThreadContext::Current().head.kills_set_id);
    request.Attributes(request.volume().SetAttr(ToNode(node), change));
  });
}

void ReadLink(fuse_req_t raw, fuse_ino_t node) {
  Request::Handle(raw, [=](Request& request) {
    const Result<std::string> target = request.volume().ReadLink(ToNode(node));
    if (!target.ok()) return request.Done(target.status());
    request.Bytes(*target);
  });
}

void GetXattr(fuse_req_t raw, fuse_ino_t node, const char* name, size_t size) {
  Request::Handle(raw, [=](Request& request) {
    request.Sized(request.volume().GetXattr(ToNode(node), name), size);
  });
}

void ListXattr(fuse_req_t raw, fuse_ino_t node, size_t size) {
  Request::Handle(raw, [=](Request& request) {
    request.Sized(
        request.volume().ListXattr(ToNode(node), !request.IsOrdinaryUser()),
        size);
  });
}

void SetXattr(fuse_req_t raw, fuse_ino_t node, const char* name,
              const char* value, size_t size, int flags) {
  Request::Handle(raw, [=](Request& request) {
    const XattrFlags how{
        .create = (flags & XATTR_CREATE) != 0,
        .replace = (flags & XATTR_REPLACE) != 0,
        .clears_setgid = ThreadContext::Current().head.kills_set_id};
    request.Done(request.volume().SetXattr(ToNode(node), name,
                                           std::string_view(value, size), how));
  });
}

void RemoveXattr(fuse_req_t raw, fuse_ino_t node, const char* name) {
  Request::Handle(raw, [=](Request& request) {
    request.Done(request.volume().RemoveXattr(ToNode(node), name));
  });
}

void StatFs(fuse_req_t raw, fuse_ino_t) {
  Request::Handle(
      raw, [](Request& request) { request.Space(request.volume().Space()); });
}

}  // namespace

void AddInodeOperations(fuse_lowlevel_ops& ops) {
  ops.getattr = GetAttr;
  ops.setattr = SetAttr;
  ops.readlink = ReadLink;
  ops.getxattr = GetXattr;
  ops.listxattr = ListXattr;
  ops.setxattr = SetXattr;
  ops.removexattr = RemoveXattr;
  ops.statfs = StatFs;
}

}  // namespace trefoil
