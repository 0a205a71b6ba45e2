// SPDX-License-Identifier: Apache-2.0
// What libfuse 3.14 does not pass on of raw FUSE messages, or does not know.
// `data` is what the kernel wrote to /dev/fuse; lengths are checked all the
// same. Thread rule: pure functions.
#pragma once

#include <linux/fuse.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace trefoil {

enum class RequestKind {
  kOther,
  kInit,
  kForget,   // answered by nobody
  kTmpFile,  // libfuse knows neither this
  kStatx,    // nor this
};

// Clearing setuid and setgid is left to us, with security.capability asked for
// once per file instead of on each write; setting an ACL says whether setgid
// goes with it.
inline constexpr uint32_t kInitFlags =
    FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT;

struct RequestHead {
  RequestKind kind = RequestKind::kOther;
  // This write, truncation or change of owner clears setuid and setgid; this
  // access ACL clears setgid.
  bool kills_set_id = false;
  // kInit: those of kInitFlags that the kernel offers.
  uint32_t init_flags = 0;
};

// Bytes of a WRITE request in front of its data.
inline constexpr size_t kWriteHeaderBytes = 80;

RequestHead PeekRequest(std::span<const char> data);
fuse_in_header HeaderOf(std::span<const char> data);
// The request's argument, or zeroes when it is too short to be there.
template <class T>
T ArgumentOf(std::span<const char> data) {
  T value{};
  if (data.size() >= sizeof(fuse_in_header) + sizeof(T)) {
    std::memcpy(&value, data.data() + sizeof(fuse_in_header), sizeof(T));
  }
  return value;
}
// Accepts `flags` in the body of a reply to INIT.
void AcceptInitFlags(std::span<char> init_reply, uint32_t flags);
// Takes what FUSE_SETXATTR_EXT added out of a SETXATTR request, which libfuse
// then understands. Any other message stays as it is.
std::span<char> WithoutSetxattrExtension(std::span<char> data);

// The body of STATX and of the answer; <linux/fuse.h> of Debian 12 lacks them.
struct StatxIn {
  uint32_t getattr_flags;
  uint32_t reserved;
  uint64_t handle;
  uint32_t flags;
  uint32_t mask;
};
struct StatxOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec;
  uint32_t flags;
  uint64_t spare[2];
  struct statx stat;
};
static_assert(sizeof(StatxIn) == 24);
static_assert(sizeof(StatxOut) == 288);
inline constexpr uint32_t kStatxOpcode = 52;

}  // namespace trefoil
