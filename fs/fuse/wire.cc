// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/wire.h"

#include <linux/fuse.h>

#include <cstddef>
#include <cstring>

namespace trefoil {
namespace {

static_assert(sizeof(fuse_in_header) + sizeof(fuse_write_in) ==
              kWriteHeaderBytes);

// The request's argument, or zeroes when it is too short to be there.
template <class T>
T Argument(std::span<const char> data) {
  T value{};
  if (data.size() >= sizeof(fuse_in_header) + sizeof(T)) {
    std::memcpy(&value, data.data() + sizeof(fuse_in_header), sizeof(T));
  }
  return value;
}

}  // namespace

RequestHead PeekRequest(std::span<const char> data) {
  RequestHead head;
  fuse_in_header header{};
  if (data.size() < sizeof(header)) return head;
  std::memcpy(&header, data.data(), sizeof(header));
  switch (header.opcode) {
    case FUSE_INIT:
      head.kind = RequestKind::kInit;
      head.offers_killpriv =
          (Argument<fuse_init_in>(data).flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      head.kind = RequestKind::kForget;
      break;
    case FUSE_WRITE:
      head.kill_suid_sgid = (Argument<fuse_write_in>(data).write_flags &
                             FUSE_WRITE_KILL_SUIDGID) != 0;
      break;
    case FUSE_SETATTR:
      head.kill_suid_sgid =
          (Argument<fuse_setattr_in>(data).valid & FATTR_KILL_SUIDGID) != 0;
      break;
    default:
      break;
  }
  return head;
}

void AcceptKillpriv(std::span<char> init_reply) {
  constexpr size_t kFlags = offsetof(fuse_init_out, flags);
  uint32_t flags = 0;
  if (init_reply.size() < kFlags + sizeof(flags)) return;
  std::memcpy(&flags, init_reply.data() + kFlags, sizeof(flags));
  flags |= FUSE_HANDLE_KILLPRIV_V2;
  std::memcpy(init_reply.data() + kFlags, &flags, sizeof(flags));
}

}  // namespace trefoil
