// SPDX-License-Identifier: Apache-2.0
// TREFOIL_CHECK: an impossible state of our own ends the process, in release
// builds too. Bad bytes from a medium are never a CHECK: they are kCorruption.
#pragma once

namespace trefoil {

// Prints `file:line: CHECK failed: what` to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace trefoil

#define TREFOIL_CHECK(condition) \
  (static_cast<bool>(condition)  \
       ? static_cast<void>(0)    \
       : ::trefoil::CheckFailed(__FILE__, __LINE__, #condition))
