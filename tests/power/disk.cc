// SPDX-License-Identifier: Apache-2.0
#include "tests/power/disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <thread>
#include <vector>

#include "fs/fuse/mount_table.h"
#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

// ext4's way to drop what is not written out, its own journal included
// (fs/ext4/ext4.h of Linux: EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH).
constexpr unsigned long kShutdown = _IOR('X', 125, uint32_t);
constexpr uint32_t kNoLogFlush = 2;

void Run(const std::vector<std::string>& command) {
  const CommandResult result = RunCommand(command);
  ASSERT_EQ(result.exit_code, 0) << command[0] << ": " << result.err;
}

}  // namespace

DiskShare::DiskShare(uint64_t disk_bytes, uint64_t memory_bytes)
    : disk_bytes_(disk_bytes) {
  EXPECT_EQ(mkdir(Memory().c_str(), 0700), 0);
  const std::string size = "size=" + std::to_string(memory_bytes);
  EXPECT_EQ(mount("trefoil-test", Memory().c_str(), "tmpfs", 0, size.c_str()),
            0)
      << std::strerror(errno);
  EXPECT_EQ(mkdir(share_.volume().c_str(), 0700), 0);
}

DiskShare::~DiskShare() {
  TakeDown();
  EXPECT_EQ(umount2(Memory().c_str(), 0), 0) << std::strerror(errno);
}

void DiskShare::MountDisk() const {
  ASSERT_NO_FATAL_FAILURE(
      Run({"mount", "-t", "ext4", "-o", "loop", Image(), share_.volume()}));
}

void DiskShare::Renew() {
  TakeDown();
  unlink(Image().c_str());
  ASSERT_NO_FATAL_FAILURE(
      Run({"truncate", "-s", std::to_string(disk_bytes_), Image()}));
  ASSERT_NO_FATAL_FAILURE(Run({"mkfs.ext4", "-q", "-F", Image()}));
  ASSERT_NO_FATAL_FAILURE(MountDisk());
  ASSERT_EQ(rmdir((share_.volume() + "/lost+found").c_str()), 0);
  ASSERT_NO_FATAL_FAILURE(share_.Init());
  // A volume is made once; it is the use of it that is cut short.
  sync();
}

bool DiskShare::MountShare() {
  const CommandResult result = Share::Trefoil(
      {"mount", share_.volume(), share_.mountpoint(), "--log-file",
       share_.log_file(), "-o", "commit_interval=1s"});
  if (result.exit_code != 0) {
    std::cout << result.err;
    return false;
  }
  daemon_ = share_.DaemonPid();
  return daemon_ > 0;
}

void DiskShare::TakeDown() {
  if (daemon_ > 0) {
    kill(daemon_, SIGKILL);
    EXPECT_TRUE(Share::WaitForExit(daemon_));
    daemon_ = 0;
  }
  while (share_.IsMounted() &&
         trefoil::Unmount(share_.mountpoint(), /*lazily=*/true).ok()) {
  }
  // Whoever looks at mounts may hold it for a moment.
  for (int i = 0; i < 100; ++i) {
    if (umount2(share_.volume().c_str(), 0) == 0 || errno == EINVAL) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ADD_FAILURE() << "umount: " << std::strerror(errno);
}

void DiskShare::CutPower() {
  {
    const Fd disk(share_.volume(), O_RDONLY | O_DIRECTORY);
    ASSERT_GE(disk, 0);
    uint32_t flags = kNoLogFlush;
    ASSERT_EQ(ioctl(disk, kShutdown, &flags), 0) << std::strerror(errno);
  }
  Restart();
}

void DiskShare::Restart() {
  TakeDown();
  MountDisk();
}

void DiskShare::Exhaust() const {
  const Fd filler(Memory() + "/filler", O_CREAT | O_WRONLY);
  const std::string block(1 << 20, 'x');
  for (size_t size = block.size(); size >= 4096;) {
    if (write(filler, block.data(), size) != static_cast<ssize_t>(size)) {
      size /= 2;
    }
  }
}

void DiskShare::Relieve() const { unlink((Memory() + "/filler").c_str()); }

}  // namespace trefoil::testing
