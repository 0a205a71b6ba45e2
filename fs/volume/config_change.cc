// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

#include "fs/volume/config.h"

namespace trefoil {
namespace {

constexpr std::chrono::milliseconds kPoll{20};
constexpr int kPolls = 500;

// The file itself is replaced, so the lock is beside it.
Result<std::unique_ptr<FileLock>> LockConfig(Env& env,
                                             const std::string& volume_path) {
  const std::string path = JoinPath(volume_path, "config.lock");
  for (int polls = 0;; ++polls) {
    auto lock = env.Lock(path);
    if (!lock.status().Is(StatusCode::kBusy) || polls >= kPolls) return lock;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace

Status ChangeConfig(Env& env, const std::string& volume_path,
                    const std::function<Status(VolumeConfig*)>& change) {
  TREFOIL_ASSIGN(const auto lock, LockConfig(env, volume_path));
  TREFOIL_ASSIGN(VolumeConfig config, LoadConfig(env, volume_path));
  TREFOIL_TRY(change(&config));
  return SaveConfig(env, volume_path, config);
}

}  // namespace trefoil
