// SPDX-License-Identifier: Apache-2.0
// The few fields of raw FUSE messages that libfuse 3.14 does not pass on.
// `data` is what the kernel wrote to /dev/fuse; lengths are checked all the
// same. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace trefoil {

enum class RequestKind {
  kOther,
  kInit,
  kForget,  // answered by nobody
};

struct RequestHead {
  RequestKind kind = RequestKind::kOther;
  // The kernel leaves clearing setuid and setgid to us for this write,
  // truncation or change of owner.
  bool kill_suid_sgid = false;
  // kInit: the kernel can do that (FUSE_HANDLE_KILLPRIV_V2).
  bool offers_killpriv = false;
};

// Bytes of a WRITE request in front of its data.
inline constexpr size_t kWriteHeaderBytes = 80;

RequestHead PeekRequest(std::span<const char> data);
// Accepts FUSE_HANDLE_KILLPRIV_V2 in the body of a reply to INIT: with it the
// kernel asks for security.capability once per file instead of on each write.
void AcceptKillpriv(std::span<char> init_reply);

}  // namespace trefoil
