// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/volume_lock.h"

#include <chrono>
#include <thread>

namespace trefoil {
namespace {

constexpr std::chrono::milliseconds kPoll{50};
// Closing writes out an index of some dozen MiB.
constexpr int kPollsClosing = 600;
// Between the end of the mount and that of the socket a daemon only joins its
// threads. A socket that stays is in use, or of a daemon that was killed; the
// lock of the latter is free.
constexpr int kPollsMounted = 40;

}  // namespace

Result<std::unique_ptr<FileLock>> LockVolume(Env& env,
                                             const std::string& path) {
  for (int polls = 0;; ++polls) {
    auto lock = env.Lock(JoinPath(path, "lock"));
    if (!lock.status().Is(StatusCode::kBusy)) return lock;
    const bool mounted = env.Exists(JoinPath(path, kControlSocketName));
    if (polls >= (mounted ? kPollsMounted : kPollsClosing)) {
      return Status(StatusCode::kBusy,
                    path + ": the volume is in use (mounted?)");
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace trefoil
