// SPDX-License-Identifier: Apache-2.0
// Requests about names: look up, make, link, rename and remove them.
//
// CREATE is not among them: after ENOSYS the kernel makes a file by MKNOD,
// which needs no RELEASE, and opens it without asking (see OPEN).
#include "fs/fuse/request.h"

namespace trefoil {
namespace {

void Lookup(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Request::Handle(raw, [=](Request& request) {
    const Result<Entry> entry = request.volume().Lookup(ToNode(parent), name);
    if (!entry.ok() && entry.status().posix_errno() == ENOENT &&
        AbsenceLasts(ToNode(parent))) {
      return request.Absent();
    }
    request.Entry(ToNode(parent), entry);
  });
}

void Forget(fuse_req_t raw, fuse_ino_t node, uint64_t count) {
  Request::Handle(raw, [=](Request& request) {
    request.volume().Forget(ToNode(node), count);
    request.None();
  });
}

void ForgetMany(fuse_req_t raw, size_t count, fuse_forget_data* forgets) {
  Request::Handle(raw, [=](Request& request) {
    for (const fuse_forget_data& forget : std::span(forgets, count)) {
      request.volume().Forget(ToNode(forget.ino), forget.nlookup);
    }
    request.None();
  });
}

void MakeNode(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode,
              dev_t rdev) {
  Request::Handle(raw, [=](Request& request) {
    request.Entry(ToNode(parent),
                  request.volume().MakeNode(ToNode(parent), name, mode,
                                            static_cast<uint32_t>(rdev),
                                            request.caller()));
  });
}

void MakeDirectory(fuse_req_t raw, fuse_ino_t parent, const char* name,
                   mode_t mode) {
  Request::Handle(raw, [=](Request& request) {
    request.Entry(ToNode(parent),
                  request.volume().MakeDirectory(ToNode(parent), name, mode,
                                                 request.caller()));
  });
}

void MakeSymlink(fuse_req_t raw, const char* target, fuse_ino_t parent,
                 const char* name) {
  Request::Handle(raw, [=](Request& request) {
    request.Entry(ToNode(parent),
                  request.volume().MakeSymlink(ToNode(parent), name, target,
                                               request.caller()));
  });
}

void Link(fuse_req_t raw, fuse_ino_t node, fuse_ino_t parent,
          const char* name) {
  Request::Handle(raw, [=](Request& request) {
    request.Entry(ToNode(parent),
                  request.volume().Link(ToNode(node), ToNode(parent), name));
  });
}

void Unlink(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Request::Handle(raw, [=](Request& request) {
    request.Done(request.volume().Unlink(ToNode(parent), name));
  });
}

void RemoveDirectory(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  Request::Handle(raw, [=](Request& request) {
    request.Done(request.volume().RemoveDirectory(ToNode(parent), name));
  });
}

void Rename(fuse_req_t raw, fuse_ino_t from_parent, const char* from_name,
            fuse_ino_t to_parent, const char* to_name, unsigned flags) {
  Request::Handle(raw, [=](Request& request) {
    request.Done(request.volume().Rename(ToNode(from_parent), from_name,
                                         ToNode(to_parent), to_name, flags));
  });
}

}  // namespace

void AddNameOperations(fuse_lowlevel_ops& ops) {
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMany;
  ops.mknod = MakeNode;
  ops.mkdir = MakeDirectory;
  ops.symlink = MakeSymlink;
  ops.link = Link;
  ops.unlink = Unlink;
  ops.rmdir = RemoveDirectory;
  ops.rename = Rename;
}

}  // namespace trefoil
