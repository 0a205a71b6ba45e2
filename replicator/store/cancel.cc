// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/cancel.h"

namespace trefoil {

void CancelToken::Cancel() {
  MutexLock lock(mu_);
  cancelled_.store(true, std::memory_order_release);
  changed_.SignalAll();
}

bool CancelToken::SleepFor(std::chrono::nanoseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  MutexLock lock(mu_);
  while (!cancelled()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return true;
    changed_.WaitFor(mu_, end - now);
  }
  return false;
}

}  // namespace trefoil
