// SPDX-License-Identifier: Apache-2.0
// Turns SIGTERM, SIGINT and SIGHUP into a call on a thread of its own.
#pragma once

#include <functional>
#include <thread>

#include "fs/base/status.h"

namespace trefoil {

// Holds the three signals back from now on, in this thread and those that it
// starts, and ignores SIGPIPE. Call it before the first thread.
void HoldEndSignals();

// While it lives, `on_signal(number)` is called for each of them that comes or
// came since HoldEndSignals.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void(int)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  void Watch();

  const std::function<void(int)> on_signal_;
  const int signal_fd_;
  const int end_fd_;
  std::thread thread_;
};

}  // namespace trefoil
