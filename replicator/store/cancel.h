// SPDX-License-Identifier: Apache-2.0
// CancelToken: how a shutdown reaches a call that waits for a target. Once
// cancelled it stays so.
// Thread rule: thread-safe.
#pragma once

#include <atomic>
#include <chrono>

#include "fs/base/mutex.h"

namespace trefoil {

class CancelToken {
 public:
  void Cancel();
  [[nodiscard]] bool cancelled() const {
    return cancelled_.load(std::memory_order_acquire);
  }
  // Waits; false at once when the token is, or becomes, cancelled.
  bool SleepFor(std::chrono::nanoseconds duration);

 private:
  std::atomic<bool> cancelled_{false};
  Mutex mu_;
  CondVar changed_;
};

}  // namespace trefoil
