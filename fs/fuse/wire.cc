// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/wire.h"

#include <cstddef>

namespace trefoil {
namespace {

static_assert(sizeof(fuse_in_header) + sizeof(fuse_write_in) ==
              kWriteHeaderBytes);
static_assert(FUSE_COMPAT_SETXATTR_IN_SIZE == 8);

bool KillsSetId(uint32_t opcode, std::span<const char> data) {
  switch (opcode) {
    case FUSE_WRITE:
      return (ArgumentOf<fuse_write_in>(data).write_flags &
              FUSE_WRITE_KILL_SUIDGID) != 0;
    case FUSE_SETATTR:
      return (ArgumentOf<fuse_setattr_in>(data).valid & FATTR_KILL_SUIDGID) !=
             0;
    case FUSE_SETXATTR:
      return (ArgumentOf<fuse_setxattr_in>(data).setxattr_flags &
              FUSE_SETXATTR_ACL_KILL_SGID) != 0;
    default:
      return false;
  }
}

RequestKind KindOf(uint32_t opcode) {
  switch (opcode) {
    case FUSE_INIT:
      return RequestKind::kInit;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      return RequestKind::kForget;
    case FUSE_TMPFILE:
      return RequestKind::kTmpFile;
    case kStatxOpcode:
      return RequestKind::kStatx;
    default:
      return RequestKind::kOther;
  }
}

}  // namespace

fuse_in_header HeaderOf(std::span<const char> data) {
  fuse_in_header header{};
  if (data.size() >= sizeof(header)) {
    std::memcpy(&header, data.data(), sizeof(header));
  }
  return header;
}

RequestHead PeekRequest(std::span<const char> data) {
  const uint32_t opcode = HeaderOf(data).opcode;
  RequestHead head;
  head.kind = KindOf(opcode);
  head.kills_set_id = KillsSetId(opcode, data);
  if (head.kind == RequestKind::kInit) {
    head.init_flags = ArgumentOf<fuse_init_in>(data).flags & kInitFlags;
  }
  return head;
}

void AcceptInitFlags(std::span<char> init_reply, uint32_t flags) {
  constexpr size_t kFlags = offsetof(fuse_init_out, flags);
  uint32_t accepted = 0;
  if (init_reply.size() < kFlags + sizeof(accepted)) return;
  std::memcpy(&accepted, init_reply.data() + kFlags, sizeof(accepted));
  accepted |= flags;
  std::memcpy(init_reply.data() + kFlags, &accepted, sizeof(accepted));
}

std::span<char> WithoutSetxattrExtension(std::span<char> data) {
  constexpr size_t kKept =
      sizeof(fuse_in_header) + FUSE_COMPAT_SETXATTR_IN_SIZE;
  constexpr size_t kCut =
      sizeof(fuse_setxattr_in) - FUSE_COMPAT_SETXATTR_IN_SIZE;
  fuse_in_header header = HeaderOf(data);
  if (header.opcode != FUSE_SETXATTR || data.size() < kKept + kCut) {
    return data;
  }
  header.len -= uint32_t{kCut};
  std::memcpy(data.data(), &header, sizeof(header));
  std::memmove(data.data() + kCut, data.data(), kKept);
  return data.subspan(kCut);
}

}  // namespace trefoil
