// SPDX-License-Identifier: Apache-2.0
// Goal: whoever comes while a daemon still closes the volume waits for it, and
// whoever comes while the volume is mounted is refused soon.
// Method: the lock is held, and given back by a thread; a file stands for the
// control socket.
#include "fs/volume/volume_lock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using std::chrono::steady_clock;

class VolumeLockTest : public ::testing::Test {
 protected:
  VolumeLockTest() : held_(*LockVolume(Env::Posix(), dir_.path())) {}

  void MakeSocket() const { std::ofstream(dir_.Path("control.sock")); }

  testing::TempDir dir_;
  std::unique_ptr<FileLock> held_;
};

TEST_F(VolumeLockTest, WaitsForADaemonThatCloses) {
  std::thread closing([this] {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    held_.reset();
  });
  EXPECT_TRUE(LockVolume(Env::Posix(), dir_.path()).ok());
  closing.join();
}

TEST_F(VolumeLockTest, WaitsForADaemonThatHasJustLostItsMount) {
  MakeSocket();
  std::thread closing([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_TRUE(Env::Posix().Remove(dir_.Path("control.sock")).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
    held_.reset();
  });
  EXPECT_TRUE(LockVolume(Env::Posix(), dir_.path()).ok());
  closing.join();
}

TEST_F(VolumeLockTest, RefusesSoonWhatIsMounted) {
  MakeSocket();
  const auto start = steady_clock::now();
  const auto lock = LockVolume(Env::Posix(), dir_.path());
  EXPECT_TRUE(lock.status().Is(StatusCode::kBusy));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(VolumeLockTest, ASocketThatAKilledDaemonLeftIsNoHindrance) {
  MakeSocket();
  held_.reset();
  EXPECT_TRUE(LockVolume(Env::Posix(), dir_.path()).ok());
}

}  // namespace
}  // namespace trefoil
